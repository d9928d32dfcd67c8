import { readFileSync } from 'node:fs'

/** The resident memory of a process in MB; 0 except on Linux. Throws if there is no such process. */
export const memoryOf = (pid: number): number =>
  process.platform === 'linux'
    ? Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
    : 0
