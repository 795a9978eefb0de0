'use strict'

// node:v8, loaded at the first call: it takes 2 ms and 1.5 MB, and most services have not loaded it. It is part of Node's executable, so it can be loaded
// at any time. Work in a forked child loads it before the fork.

let v8

module.exports = () => (v8 ??= require('node:v8'))
