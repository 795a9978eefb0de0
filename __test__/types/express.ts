import express = require('express')
import offheapExpress = require('offheap/express')
import { type Reading, reading } from 'offheap'

const app = express()
app.use(offheapExpress())
app.use('/internal', offheapExpress({ path: '/memory' }))
app.use(offheapExpress({ path: '/memory', authorize: () => true, routes: false }))
app.use(offheapExpress({ routes: 'always' }))
app.use(offheapExpress({ authorize: async (req) => req.headers.authorization === 'x' }))
// Express's own request is fine, too.
app.use(offheapExpress({ authorize: (req: express.Request) => req.ip === '127.0.0.1' }))

const options: offheapExpress.ExpressOptions = { path: '/memory' }
const middleware: offheapExpress.Middleware = offheapExpress(options)
app.use(middleware)

export function growth (before: Reading, after: Reading = reading()): number {
  const rss: number | null = after.memory.rss
  const count: number | undefined = after.requestCounts['GET /x']
  const { liveBytes } = after.externalAllocations.routes['GET /x']
  return liveBytes - before.externalAllocations.liveBytes + (rss ?? 0) + (count ?? 0) + after.ownReferences.liveCount + (after.addons?.[0]?.references.liveCount ?? 0)
}

// @ts-expect-error a misspelt option
offheapExpress({ pth: '/memory' })
// @ts-expect-error a path is a string
offheapExpress({ path: 5 })
// @ts-expect-error no such word
offheapExpress({ routes: 'never' })
// @ts-expect-error only true is yes
offheapExpress({ authorize: () => 'yes' })
