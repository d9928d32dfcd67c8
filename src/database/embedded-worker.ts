// The thread of the embedded Postgres, which has time for nothing else while a statement runs. embedded-postgres.ts starts
// and ends it.
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { gunzipSync } from 'node:zlib'
import { PGlite } from '@electric-sql/pglite'
import { root } from '../root.ts'
import { aroundCommit } from './embedded-messages.ts'
import { change, committing, finish, givenUp, type Phase, running } from './embedded-phase.ts'

/** What the thread is started with. */
export interface Task {
  /** Where Postgres' own files are; without a database in it if `isNew`. */
  data: string
  isNew: boolean
  phase: Phase
}

/** What the thread reports: that it is ready, why it could not start, an answer, or the last one. */
export type Report = 'ready' | Failure | Uint8Array | LastAnswer

/** Why Postgres did not start. Plain data, because errors lose their members on the way to another thread. */
export interface Failure {
  error: Pick<NodeJS.ErrnoException, 'name' | 'message' | 'code' | 'errno' | 'syscall' | 'path'>
  /** What Postgres said last. */
  words: string | undefined
  /** The file from which a new database was to be made, and whether that file cannot be read. */
  blank: { file: string; isUnreadable: boolean } | undefined
}

/** What Postgres said until it ended itself, and why it did. */
export interface LastAnswer {
  answer: Uint8Array
  fatalMessage: string
}

/** A line of Postgres' log that says why it ends itself. Nothing that a client sent begins a line. */
const end = /^[\d-]+ [\d:.]+ \w+ \[\d+\] (?:FATAL|PANIC): +(.*)/

const blankFile = fileURLToPath(new URL('dist/blank-database.tar.gz', root))

const { data, isNew, phase } = workerData as Task
const port = parentPort as MessagePort
const report = (report: Report) => port.postMessage(report)

/** Why Postgres ended itself; undefined while it runs. */
let fatalMessage: string | undefined
let lastLine = ''

const lite = await start()
if (lite) {
  port.on('message', (messages: Uint8Array<ArrayBuffer> | 'close') => {
    if (messages === 'close') void lite.close().then(() => port.close())
    else void answer(lite, Buffer.from(messages.buffer, messages.byteOffset, messages.length))
  })
  report('ready')
}

/** Starts Postgres over the folder; makes the database first where it is new. */
async function start(): Promise<PGlite | undefined> {
  const blank = isNew && existsSync(blankFile) ? { file: blankFile, isUnreadable: true } : undefined
  try {
    const loadDataDir = blank && new Blob([gunzipSync(readFileSync(blankFile))])
    if (blank) blank.isUnreadable = false
    const lite: PGlite = new PGlite(data, {
      ...(loadDataDir && { loadDataDir }),
      // Its timer would keep the memory of a Postgres that ends during its recovery.
      startParams: [...PGlite.defaultStartParams, '-c', 'log_startup_progress_interval=0'],
      // The log is dropped, except for the message with which Postgres ends itself.
      onStderr(line) {
        lastLine = line
        fatalMessage ??= end.exec(line)?.[1]
        if (fatalMessage !== undefined) leaveLoop(lite)
        return false
      },
    })
    await lite.waitReady
    return lite
  } catch (error) {
    const { name, message = '', code, errno, syscall, path } = error as NodeJS.ErrnoException
    const words = fatalMessage ?? (lastLine.startsWith('postgres: ') ? lastLine : undefined)
    report({ error: { name, message, code, errno, syscall, path } as Failure['error'], words, blank })
    return undefined
  }
}

/** Runs messages of Postgres' protocol. Nothing is committed once the statement was given up. */
async function answer(lite: PGlite, messages: Buffer): Promise<void> {
  const parts: Uint8Array[] = []
  const run = (messages: Uint8Array) =>
    lite.execProtocolRawStream(messages, { syncToFs: false, onRawData: (bytes) => parts.push(bytes.slice()) })
  const mayCommit = () => change(phase, running, committing) !== givenUp
  try {
    const [before, after] = aroundCommit(messages)
    if (before.length > 0) await run(before)
    if (after.length > 0 && mayCommit()) await run(after)
  } catch (error) {
    if (fatalMessage === undefined) throw error // which ends the thread
    return report({ answer: Buffer.concat(parts), fatalMessage })
  }
  if (finish(phase) !== givenUp) report(parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts))
}

/**
 * Ends PGlite's loop over the messages, which otherwise goes on forever after the end of Postgres: it expects every
 * exception to be a rejected statement.
 */
function leaveLoop(lite: PGlite): void {
  Object.assign(lite.Module, {
    stackRestore() {
      throw new Error('Postgres ended itself')
    },
    _PostgresSendReadyForQueryIfNecessary() {},
    _pgl_pq_flush() {},
  })
}
