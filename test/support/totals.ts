import type { Reporter, TestCase, Vitest } from 'vitest/node'

/** Prints each skipped test with its reason, and the totals as the last line; in watch mode, after each run. */
export class Totals implements Reporter {
  #count = { passed: 0, failed: 0, skipped: 0, pending: 0 }
  #skipped: string[] = []
  #watching = false

  onInit({ config }: Vitest): void {
    this.#watching = config.watch
  }

  onTestRunStart(): void {
    this.#count = { passed: 0, failed: 0, skipped: 0, pending: 0 }
    this.#skipped = []
  }

  onTestCaseResult(test: TestCase): void {
    const { state } = test.result()
    this.#count[state] += 1
    if (state === 'skipped') this.#skipped.push(`skipped: ${test.fullName}: ${reasonOf(test)}`)
  }

  onTestRunEnd(modules: readonly { errors(): unknown[] }[], errors: readonly unknown[]): void {
    // A file that fails to load has no tests; it counts as one failure.
    const broken = modules.filter((module) => module.errors().length > 0).length + errors.length
    const { passed, failed, skipped } = this.#count
    const print = (code: number) => {
      for (const line of this.#skipped) process.stdout.write(`${line}\n`)
      const all = failed + broken || Number(code !== 0) // a failure outside any test counts too
      process.stdout.write(`${passed} passed, ${all} failed, ${skipped} skipped\n`)
    }
    if (this.#watching) print(0)
    else process.on('exit', print)
  }
}

function reasonOf(test: TestCase): string {
  const result = test.result()
  return (result.state === 'skipped' && result.note) || 'no reason given'
}
