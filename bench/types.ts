// The list of housing types from memory, compared with a bare Fastify that asks Postgres with a named statement.
import Fastify from 'fastify'
import pg from 'pg'
import { withHouses } from './houses.ts'
import { compare, isBare, listen } from './pairs.ts'

const path = '/api/v2/housing-types'
const text = 'select code, description from housing.housing_types order by id'

const type = { type: 'object', properties: { code: { type: 'string' }, description: { type: 'string' } } }
const list = { type: 'object', properties: { items: { type: 'array', items: type }, next: { type: 'null' } } }

if (isBare) {
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 })
  const app = Fastify()
  app.get('/', async () => ({}))
  app.get(path, { schema: { response: { 200: list } } }, async () => {
    const { rows } = await pool.query({ name: 'types', text })
    return { items: rows, next: null }
  })
  await listen(app)
} else await withHouses((url) => compare(`GET ${path}`, import.meta.url, url, { requests: [{ method: 'GET', path }] }))
