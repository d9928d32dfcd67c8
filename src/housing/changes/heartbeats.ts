import type { ServerResponse } from 'node:http'

/** How often each stream gets a comment, in seconds: no proxy takes its connection for dead. */
const period = 15

const comment = Buffer.from(':\n\n')

/** Streams by the second in which they get their comments: one timer for all, and never all at once. */
const turns = Array.from({ length: period }, () => new Set<ServerResponse>())
let [count, next, turn] = [0, 0, 0]
let timer: NodeJS.Timeout | undefined

/** Keeps the connection of a stream in use, until the returned function is called. */
export function keepAlive(stream: ServerResponse): () => void {
  const streams = turns[next] as Set<ServerResponse>
  streams.add(stream)
  next = (next + 1) % period
  count += 1
  timer ??= setInterval(beat, 1000)
  return () => {
    if (!streams.delete(stream)) return
    count -= 1
    if (count > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

function beat(): void {
  turn = (turn + 1) % period
  for (const stream of turns[turn] as Set<ServerResponse>) {
    if (!stream.destroyed && !stream.writableNeedDrain) stream.write(comment)
  }
}
