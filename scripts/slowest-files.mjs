// A reporter of node:test that lists the ten files whose tests took longest, so that a suite stays as fast as it is.
// Cannot see: what a file takes before its first test.

import path from 'node:path'

export default async function * slowestFiles (events) {
  const took = new Map()
  for await (const { type, data } of events) {
    const isOfFile = (type === 'test:pass' || type === 'test:fail') && data.nesting === 0 && data.file !== undefined && data.name !== data.file
    if (isOfFile) took.set(data.file, (took.get(data.file) ?? 0) + data.details.duration_ms)
  }
  const slowest = [...took].sort(([, a], [, b]) => b - a).slice(0, 10)
  if (slowest.length > 1) yield `# The slowest files:\n${slowest.map(([file, ms]) => `# ${(ms / 1000).toFixed(1).padStart(6)} s  ${path.relative(process.cwd(), file)}\n`).join('')}`
}
