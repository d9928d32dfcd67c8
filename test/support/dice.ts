/** Random decisions, the same for the same seed. */
export class Dice {
  #state: number

  constructor(seed: string) {
    this.#state = [...seed].reduce((hash, char) => Math.imul(hash ^ char.charCodeAt(0), 0x01000193), 0x811c9dc5)
  }

  /** A number from 0 to 1, without 1: a step of splitmix32. */
  #roll(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 16), 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32
  }

  /** Whether something happens that is so likely. */
  chance = (probability: number) => this.#roll() < probability

  /** An integer; small ones are more likely. */
  between = (least: number, most: number) => least + Math.floor(this.#roll() ** 2 * (most - least + 1))

  /** Each as likely as the others. */
  pick = <T>(list: readonly T[]) => list[Math.floor(this.#roll() * list.length)] as T
}
