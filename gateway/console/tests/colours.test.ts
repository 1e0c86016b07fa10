import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { COLOURS } from '../src/style/colours'
import { themeOverrides } from '../src/style/theme'

const SOURCE = join(import.meta.dirname, '../src')
/** Where the theme is written down, and the colours of strokes on a frozen picture, which are sent to other seats. */
const OWN = ['style/console.css', 'style/theme.ts', 'domain/board.ts']

const THEME = new Map(
  [...readFileSync(join(SOURCE, 'style/console.css'), 'utf8').matchAll(/--([\w-]+): (#[0-9a-f]+);/g)].map(([, name, value]) => [name, value]),
)

describe('the colours of the console', () => {
  it('are the theme\'s own wherever it has them', () => {
    const values = new Set(THEME.values())
    const found = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(vue|css|ts)$/.test(name) && !OWN.includes(name))
      .flatMap((name) => {
        const written = readFileSync(join(SOURCE, name), 'utf8').match(/#[0-9a-f]{3,8}\b/gi) ?? []
        return written.filter((one) => values.has(one.toLowerCase())).map((one) => `${name} ${one}`)
      })
    expect(found).toEqual([])
  })

  it('have a value for what is drawn on the map', () => {
    expect(COLOURS.filter((name) => !THEME.has(name))).toEqual([])
  })

  it('are the same in the component library', () => {
    const { bodyColor, cardColor, inputColor, dividerColor, textColorBase, primaryColor, errorColor, warningColor, successColor } =
      themeOverrides.common ?? {}
    const library = [bodyColor, cardColor, inputColor, dividerColor, textColorBase, primaryColor, errorColor, warningColor, successColor]
    const names = ['ground', 'panel', 'panel-sunk', 'line', 'text', 'accent', 'bad', 'warn', 'good']
    expect(library).toEqual(names.map((name) => THEME.get(name)))
  })
})
