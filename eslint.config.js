'use strict'

module.exports = [
  ...require('neostandard')({
    ignores: ['target/**', 'prebuilds/**', '.cache/**', 'node_modules/**']
  }),
  {
    files: ['__test__/faces/jest/*'],
    languageOptions: { globals: { expect: 'readonly', jest: 'readonly', test: 'readonly' } }
  }
]
