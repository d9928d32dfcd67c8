import { type CallOptions, type Connection, jsonBody } from './connection.ts'
import type { components } from './contract.ts'
import { Problem } from './problem.ts'

export type HousingType = components['schemas']['HousingType']

export interface HousingTypeOptions extends CallOptions {
  /** What the type must still be; otherwise the problem is `precondition-failed`, or `not-found`. */
  of?: HousingType | undefined
}

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
    { isNew, of, ...options }: HousingTypeOptions & { isNew?: boolean | undefined } = {},
  ): Promise<HousingType> {
    const headers = { 'if-match': await this.#tagOf(of, options), 'if-none-match': isNew ? '*' : undefined }
    try {
      const body = jsonBody({ description }, headers)
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
  async remove(code: string, { of, ...options }: HousingTypeOptions = {}): Promise<void> {
    const headers = { 'if-match': await this.#tagOf(of, options) }
    try {
      await this.#connection.json(pathOf(code), { ...options, headers, method: 'DELETE' })
    } catch (error) {
      // An earlier attempt got no answer. It was this one, if the type is gone.
      if (!(error instanceof Problem && error.uncertain)) throw error
      if ((await this.list(options)).some((type) => type.code === code)) throw error
    }
  }

  /** The ETag of a type that still is what it was; otherwise a tag that no type has, so that the write fails. */
  async #tagOf(type: HousingType | undefined, options: CallOptions): Promise<string | undefined> {
    if (!type) return undefined
    const response = await this.#connection.stream(pathOf(type.code), options)
    const { description } = (await response.json()) as HousingType
    return (description === type.description && response.headers.get('etag')) || '"another"'
  }
}

const pathOf = (code: string) => `/housing-types/${encodeURIComponent(code)}`
