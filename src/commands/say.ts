/** Tells people something, on stderr: stdout is for what programs read. */
export const say = (line: string) => void process.stderr.write(`${line}\n`)
