import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import type { PGlite } from '@electric-sql/pglite'
import { root } from '../root.ts'
import {
  type ClaimedFolder,
  damaged,
  FolderRefused,
  fileSystemRefusal,
  fileSystemRefusalIn,
  unopened,
} from './embedded-folder.ts'
import { reason } from './errors.ts'

/** A line of Postgres' log that says why it ends itself. Nothing that a client sent begins a line. */
const end = /^[\d-]+ [\d:.]+ \w+ \[\d+\] (?:FATAL|PANIC): +(.*)/

/** One run of PGlite. Its log is dropped, except for the message with which Postgres ends itself. */
export class EmbeddedPostgres {
  readonly #lite: PGlite
  /** Why Postgres ended itself; undefined while it runs. */
  fatalMessage: string | undefined

  private constructor(create: (onStderr: (line: string) => boolean) => PGlite) {
    this.#lite = create((line) => {
      this.fatalMessage ??= end.exec(line)?.[1]
      if (this.fatalMessage !== undefined) this.#leaveLoop()
      return false
    })
  }

  /** Starts Postgres over the folder; makes the database first where it is new. Throws {@link FolderRefused}. */
  static async start(
    folder: string,
    { data, isNew }: Pick<ClaimedFolder, 'data' | 'isNew'>,
  ): Promise<EmbeddedPostgres> {
    const { PGlite } = await import('@electric-sql/pglite')
    const { exitCode } = process
    const blank = isNew ? blankDatabase() : undefined
    let line = ''
    const postgres = new EmbeddedPostgres(
      (onStderr) =>
        new PGlite(data, {
          ...(blank && { loadDataDir: blank }),
          // Its timer would keep the memory of a Postgres that ends during its recovery.
          startParams: [...PGlite.defaultStartParams, '-c', 'log_startup_progress_interval=0'],
          onStderr(text) {
            line = text
            return onStderr(text)
          },
        }),
    )
    try {
      await postgres.#lite.waitReady
      return postgres
    } catch (error) {
      postgres.#abandon(exitCode)
      const words = postgres.fatalMessage ?? (line.startsWith('postgres: ') ? line : undefined)
      throw refusal(folder, error, { words, isNew, isFromBlank: blank !== undefined })
    }
  }

  /** Sends messages of Postgres' protocol. If Postgres ends itself, the answer is what it said until then. */
  async send(messages: Uint8Array): Promise<Buffer> {
    const answer: Buffer[] = []
    const { exitCode } = process
    try {
      await this.#lite.execProtocolRawStream(messages, { onRawData: (bytes) => answer.push(Buffer.from(bytes)) })
    } catch (error) {
      if (this.fatalMessage === undefined) throw error
      this.#abandon(exitCode)
    }
    return Buffer.concat(answer)
  }

  close(): Promise<void> {
    return this.#lite.close()
  }

  /**
   * Ends PGlite's loop over the messages, which otherwise goes on forever after the end of Postgres: it expects every
   * exception to be a rejected statement.
   */
  #leaveLoop(): void {
    Object.assign(this.#lite.Module, {
      stackRestore() {
        throw new Error('Postgres ended itself')
      },
      _PostgresSendReadyForQueryIfNecessary() {},
      _pgl_pq_flush() {},
    })
  }

  /** Closes the files of a PGlite that has ended, and takes back the exit code that it set. */
  #abandon(exitCode: typeof process.exitCode): void {
    process.exitCode = exitCode
    try {
      this.#lite.Module.FS.quit()
    } catch {} // it had not opened any yet
  }
}

const blankFile = fileURLToPath(new URL('dist/blank-database.tar.gz', root))

/** An empty database that the image contains: unpacking it takes half the time of creating one. */
function blankDatabase(): Blob | undefined {
  if (!existsSync(blankFile)) return undefined
  try {
    return new Blob([gunzipSync(readFileSync(blankFile))])
  } catch (error) {
    throw blankRefused(reason(error))
  }
}

const blankRefused = (why: string) =>
  new FolderRefused(
    `${blankFile}, from which a new database is made, cannot be used (${why}): install the program again, or delete that file; a new database is then made without it.`,
  )

interface Failure {
  words: string | undefined
  isNew: boolean
  isFromBlank: boolean
}

function refusal(folder: string, error: unknown, { words, isNew, isFromBlank }: Failure): FolderRefused {
  const ofFileSystem = fileSystemRefusal(folder, error) ?? (words && fileSystemRefusalIn(folder, words))
  if (ofFileSystem) return ofFileSystem
  const what = words ?? reason(error)
  const isOurs = words === undefined && (error as NodeJS.ErrnoException).syscall !== undefined // a file of PGlite's
  if (error instanceof RangeError || isOurs || /memory/.test(what)) return unopened(folder, what)
  if (isFromBlank) return blankRefused(what)
  return isNew ? unopened(folder, what) : damaged(folder, what)
}
