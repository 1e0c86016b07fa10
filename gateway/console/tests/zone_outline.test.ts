import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createSSRApp, h } from 'vue'
import { renderToString } from 'vue/server-renderer'
import ZoneOutline from '../src/components/ZoneOutline.vue'
import { soundnessOf, type Shape } from '../src/domain/drawing'
import type { Outline } from '../src/domain/zone'

const SQUARE: Outline = [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]]
const CROSSED: Outline = [[0.2, 0.2], [0.8, 0.8], [0.8, 0.2], [0.2, 0.8]]
const STYLES = readFileSync(join(import.meta.dirname, '../src/components/ZoneOutline.vue'), 'utf8').split('<style scoped>')[1] ?? ''

/** How an outline is painted: of the rules for it that with the most classes wins, the last of as many. */
async function painted(role: 'zone' | 'exclusion', corners: Outline, chosen: boolean): Promise<Map<string, string>> {
  const shape: Shape = { id: `${role}:0`, role, number: 0, corners }
  const props = { shape: { ...shape, ...soundnessOf(shape) }, size: { width: 640, height: 360 }, chosen, untouchable: false }
  const group = /<g class="([^"]*)"/.exec(await renderToString(createSSRApp({ render: () => h(ZoneOutline, props) })))
  const classes = new Set(group?.[1]?.split(' '))
  const rules = [...STYLES.matchAll(/([^{}]+)\{([^}]*)\}/g)]
    .flatMap(([, selectors = '', body = '']) => selectors.split(',').map((one) => ({ selector: one.trim(), body })))
    .filter(({ selector }) => selector.endsWith('polygon'))
    .map(({ selector, body }) => ({ of: [...selector.matchAll(/\.(\w+)/g)].map(([, name = '']) => name), body }))
    .filter(({ of }) => of.every((name) => classes.has(name)))
    .sort((one, other) => one.of.length - other.of.length)
  return new Map(rules.flatMap(({ body }) => [...body.matchAll(/([\w-]+): ([^;]+);/g)].map(([, name = '', value = '']) => [name, value] as const)))
}

describe.each(['zone', 'exclusion'] as const)('an outline (%s)', (role) => {
  it.each([true, false])('that crosses itself is red, chosen (%s) or not', async (chosen) => {
    const style = await painted(role, CROSSED, chosen)
    expect(style.get('stroke')).toBe('var(--bad)')
    expect(style.get('fill')).toContain('var(--bad)')
    expect(style.get('cursor')).toBe(chosen ? 'move' : 'pointer')
  })

  it('that is sound stands out where it is chosen, and is not red', async () => {
    const [chosen, other] = [await painted(role, SQUARE, true), await painted(role, SQUARE, false)]
    expect(chosen.get('fill')).not.toBe(other.get('fill'))
    expect(String([...chosen.values(), ...other.values()])).not.toContain('--bad')
  })
})
