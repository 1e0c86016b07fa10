import { describe, expect, it } from 'vitest'
import { changedImaging, valuesOf } from '../src/domain/imaging'
import { overall, percent } from '../src/domain/health_report'
import { offsetParts, wholeTime } from '../src/domain/times'

const state = {
  levels: { brightness: { value: 50, least: 0, most: 100 }, contrast: { value: null, least: 0, most: 10 } },
  modes: { ir_cut: { value: 'AUTO', offered: ['ON', 'OFF', 'AUTO'] }, wide_dynamic_range: { value: '', offered: ['ON'] } },
}

describe('picture settings', () => {
  it('are those the device tells, and of a change only what is different is asked', () => {
    expect(valuesOf(state)).toEqual({ brightness: 50, ir_cut: 'AUTO' })
    expect(changedImaging(state, { brightness: 50, ir_cut: 'ON', contrast: 3 })).toEqual({ ir_cut: 'ON', contrast: 3 })
    expect(changedImaging(state, valuesOf(state))).toEqual({})
  })
})

describe('a device clock', () => {
  it('is off by whole hours, minutes and seconds either way', () => {
    expect(offsetParts(-7_199.6)).toEqual({ hours: 2, minutes: 0, seconds: 0 })
    expect(offsetParts(3_725)).toEqual({ hours: 1, minutes: 2, seconds: 0 })
    expect(offsetParts(125)).toEqual({ hours: 0, minutes: 2, seconds: 5 })
    expect(wholeTime(Date.parse('2030-01-06T16:00:01Z'))).toBe('2030-01-07 00:00:01')
  })
})

describe('the report of health', () => {
  const day = (numerator: number, denominator: number) => ({
    platform: 'hub', platform_name: '枢纽', day: '2030-01-07', cameras: 1, affected: {},
    rates: [{ name: 'online_rate', numerator, denominator, value: denominator > 0 ? numerator / denominator : null }],
  })

  it('sums seconds, not rates, and never rounds up to all', () => {
    expect(overall([day(0, 10), day(90, 90)], 'online_rate')).toBe(0.9)
    expect(overall([day(0, 0)], 'online_rate')).toBeNull()
    expect([percent(0.99996), percent(1), percent(null)]).toEqual(['99.9%', '100%', '—'])
  })
})
