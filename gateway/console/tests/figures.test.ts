import { describe, expect, it } from 'vitest'
import { better, FIGURES, written } from '../src/domain/figures'

const kindOf = (name: string) => FIGURES.flatMap((one) => one.figures).find((one) => one.name === name)!

describe('a figure of a card', () => {
  it('is written as a share or in heads, or said to be missing', () => {
    expect(written(kindOf('fire_picture_recall'), 0.8827)).toBe('88.3%')
    expect(written(kindOf('gathering_mae'), 6)).toBe('6.0')
    expect(written(kindOf('stall_precision'), null)).toBeNull()
  })

  it('is better the higher it is, but for errors and false alarms', () => {
    expect(better(kindOf('fire_map50'), 0.38, 0.41)).toBe(true)
    expect(better(kindOf('hard_negative_fire_share'), 0.09, 0.12)).toBe(false)
    expect(better(kindOf('gathering_mae'), 6, 6)).toBeNull()
    expect(better(kindOf('stall_recall'), null, 0.4)).toBeNull()
  })
})
