import { describe, expect, it } from 'vitest'
import { marksOf } from '../src/domain/map'

const POINT = { no: 'E-1', class_code: '90-01', hazard: 'fire', state: 'reported', level: 2, lng: 120, lat: 30 }

describe('the map of events', () => {
  it('tells an event of a drill from a true one', () => {
    const found = { points: [{ ...POINT, drill: true }, { ...POINT, no: 'E-2', drill: false }], cells: [] }
    const marks = marksOf(found, (one) => (one.drill ? `drill ${one.no}` : one.no))
    expect(marks.map((mark) => [mark.title, mark.drill])).toEqual([['drill E-1', true], ['E-2', false]])
  })

  it('draws an area by the logarithm of its count, so that a busy one hides no other', () => {
    const [few, many] = marksOf({ points: [], cells: [{ lng: 120, lat: 30, count: 10 }, { lng: 121, lat: 30, count: 1000 }] }, String)
    expect([few?.radius, few?.text, many?.radius, many?.text]).toEqual([15, '10', 25, '1000'])
  })
})
