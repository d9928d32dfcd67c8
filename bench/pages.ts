// The cost of a deep page of the list: the throughput of page 1,000 as a multiple of that of page 1.
import { withHouses } from './houses.ts'
import { print, startProgram, takeTurns } from './pairs.ts'

const sorts = ['id', 'city', 'postal_code', 'updated_at']
const depth = 1000

await withHouses(async (databaseUrl) => {
  const { url, pid, stop } = await startProgram(databaseUrl)
  for (const sort of sorts) {
    const first = `${url}/api/v2/housing?limit=50&sort=${sort}`
    let deep = first
    for (let page = 1; page < depth; page++) {
      const { next } = (await (await fetch(deep)).json()) as { next: string }
      deep = `${url}/api/v2/housing?limit=50&cursor=${next}`
    }
    print(`page ${depth} by ${sort}`, [await takeTurns({ pid, load: { url: first } }, { pid, load: { url: deep } })])
  }
  await stop()
})
