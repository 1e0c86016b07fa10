import { describe, expect, it } from 'vitest'
import type { Finding, Geometry, ImportFault } from '../src/api/grid'
import { faultsOf, hazardColour, marksOf } from '../src/domain/map'

const POINT = { no: 'E-1', class_code: '90-01', hazard: 'fire', state: 'reported', level: 2, lng: 120, lat: 30 }

describe('the map of events', () => {
  it('tells an event of a drill from a true one', () => {
    const found = { points: [{ ...POINT, drill: true }, { ...POINT, no: 'E-2', drill: false }], cells: [] }
    const marks = marksOf(found, (one) => (one.drill ? `drill ${one.no}` : one.no))
    expect(marks.map((mark) => [mark.title, mark.drill])).toEqual([['drill E-1', true], ['E-2', false]])
  })

  it('colours each hazard as everywhere in the console, and what it does not know as no hazard', () => {
    expect(['fire', 'crowd', 'stall', 'flood'].map(hazardColour)).toEqual(['fire', 'crowd', 'stall', 'accent'])
  })

  it('draws an area by the logarithm of its count, so that a busy one hides no other', () => {
    const [few, many] = marksOf({ points: [], cells: [{ lng: 120, lat: 30, count: 10 }, { lng: 121, lat: 30, count: 1000 }] }, String)
    expect([few?.radius, few?.text, many?.radius, many?.text]).toEqual([15, '10', 25, '1000'])
  })
})

describe('what is wrong with grids', () => {
  it('is drawn where it lies, each kind in a colour of its own, and not where it has no place', () => {
    const where: Geometry = { type: 'Polygon', coordinates: [] }
    const finding = (kind: Finding['kind']): Finding => ({ kind, codes: ['1', '2'], where, area_m2: 10, zh: '', en: '' })
    const fault = (code: string, where: Geometry | null): ImportFault => ({ row: 1, code, where, field: '', reason: '', zh: '', en: '' })
    const drawn = faultsOf({
      dry_run: true, added: 0, changed: 0, unchanged: 0, left_out: 2, notes: [], finding_count: 3,
      faults: [fault('3', where), fault('4', null)],
      findings: [finding('overlap'), finding('gap'), finding('hole')],
    })
    expect(drawn.map((one) => one.colour)).toEqual(['bad', 'warn', 'hole', 'bad'])
    expect(drawn.map((one) => one.title)).toEqual(['1 / 2', '1 / 2', '1 / 2', '3'])
  })
})
