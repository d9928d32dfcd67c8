import { Connection, type ConnectionOptions } from './connection.ts'
import { HousingApi } from './housing.ts'
import { HousingTypesApi } from './housing-types.ts'

/** A client of the API: `new SampleApi({ url: 'http://localhost:3000' })`. */
export class SampleApi {
  readonly housing: HousingApi
  readonly housingTypes: HousingTypesApi

  constructor(options: ConnectionOptions = {}) {
    const connection = new Connection(options)
    this.housing = new HousingApi(connection)
    this.housingTypes = new HousingTypesApi(connection)
  }
}

export type { Changes, ChangesOptions, HousingChange } from './changes.ts'
export { type CallOptions, type ConnectionOptions, newKey, type PostOptions } from './connection.ts'
export type * from './housing.ts'
export type { HousingType, HousingTypeOptions, HousingTypesApi } from './housing-types.ts'
export type { Paged } from './paged.ts'
export { NetworkError, Problem, type ProblemCode } from './problem.ts'
