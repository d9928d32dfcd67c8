// Makes blank-database.tar.gz. The embedded database of an image starts from it if it is in dist/.
import { writeFile } from 'node:fs/promises'
import { PGlite } from '@electric-sql/pglite'

const lite = await PGlite.create()
await writeFile('blank-database.tar.gz', (await lite.dumpDataDir('gzip')).stream())
await lite.close()
