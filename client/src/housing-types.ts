import { type CallOptions, type Connection, jsonBody } from './connection.ts'
import type { components } from './contract.ts'
import { Problem } from './problem.ts'

export type HousingType = components['schemas']['HousingType']

/** The code list of housing types. Changing it needs the scope `housing:admin`. */
export class HousingTypesApi {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** All of them. */
  async list(options?: CallOptions): Promise<HousingType[]> {
    const { items } = await this.#connection.json<components['schemas']['HousingTypeList']>('/housing-types', options)
    return items
  }

  /** One of them. */
  get(code: string, options?: CallOptions): Promise<HousingType> {
    return this.#connection.json(pathOf(code), options)
  }

  /** Adds a type, or replaces it. `isNew`: adds only; where the code exists, the problem is `precondition-failed`. */
  async put(
    { code, description }: HousingType,
    { isNew, ...options }: CallOptions & { isNew?: boolean | undefined } = {},
  ): Promise<HousingType> {
    try {
      const body = jsonBody({ description }, { 'if-none-match': isNew ? '*' : undefined })
      return await this.#connection.json(pathOf(code), { ...options, ...body, method: 'PUT' })
    } catch (error) {
      // An earlier attempt got no answer. It was this one, if the type is what it makes.
      if (!(error instanceof Problem && error.code === 'precondition-failed' && error.uncertain)) throw error
      const type = await this.get(code, options)
      if (type.description !== description.replace(/^ +| +$/g, '')) throw error
      return type
    }
  }

  /** Deletes a type that no house has. */
  async remove(code: string, options?: CallOptions): Promise<void> {
    try {
      await this.#connection.json(pathOf(code), { ...options, method: 'DELETE' })
    } catch (error) {
      if (!(error instanceof Problem && error.code === 'not-found' && error.uncertain)) throw error
    }
  }
}

const pathOf = (code: string) => `/housing-types/${encodeURIComponent(code)}`
