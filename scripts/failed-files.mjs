// A reporter of node:test that writes the paths of the files in which something failed, one per line.
// Cannot see: failures of a run that was ended from outside.

export default async function * failedFiles (events) {
  const failed = new Set()
  for await (const { type, data } of events) {
    if (type === 'test:fail' && data.todo === undefined && data.skip === undefined) failed.add(data.file ?? data.name)
  }
  for (const file of failed) yield `${file}\n`
}
