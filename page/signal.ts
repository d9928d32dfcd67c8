import { useLayoutEffect } from 'preact/hooks'

/** Something that happens, and those who listen to it. */
export class Signal<Value> {
  readonly #listeners = new Set<(value: Value) => void>()

  emit(value: Value): void {
    for (const listen of this.#listeners) listen(value)
  }

  /** Returns how to stop listening. */
  listen(listener: (value: Value) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }
}

export function useSignal<Value>(signal: Signal<Value>, listener: (value: Value) => void): void {
  // at once, so that nothing is missed between two renderings
  useLayoutEffect(() => signal.listen(listener))
}
