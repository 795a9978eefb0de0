'use strict'

// A progress bar on a terminal. Writes nothing when the stream is no terminal.

const WIDTH = 30
const TEXTS = { read: 'reading', dominators: 'dominators', distances: 'distances', report: 'summing up' }

function progressBar (stream) {
  if (stream.isTTY !== true) return { onProgress: undefined, done () {} }
  return {
    onProgress ({ phase, fraction }) {
      const full = Math.round(fraction * WIDTH)
      stream.write(`\r\u001b[K${'█'.repeat(full)}${'░'.repeat(WIDTH - full)} ${TEXTS[phase]}`)
    },
    done () {
      stream.write('\r\u001b[K')
    }
  }
}

module.exports = { progressBar }
