// What is drawn on the map: an event, how many lie about a place, what is wrong with grids.
import type { Geometry, GridImport } from '../api/grid'
import type { EventMap, MapPoint } from '../api/statistics'
import type { ColourName } from '../style/colours'

export interface MapMark {
  key: string
  lng: number
  lat: number
  radius: number
  colour: ColourName
  title: string
  /** Drawn with a broken rim: it arose in a drill. */
  drill?: boolean
  /** Shown in the mark itself. */
  text?: string
}

/** What is wrong with grids, drawn over them. */
export interface MapFault {
  geometry: Geometry
  colour: ColourName
  title: string
}

const OTHER: ColourName = 'accent'

export function hazardColour(hazard: string): ColourName {
  return hazard === 'fire' || hazard === 'crowd' || hazard === 'stall' ? hazard : OTHER
}

/** A cell's mark grows with the logarithm of its count, so that one busy cell hides no other. */
export function marksOf(found: EventMap, titleOf: (point: MapPoint) => string): MapMark[] {
  const points = found.points.map((one) => ({
    key: one.no,
    lng: one.lng,
    lat: one.lat,
    radius: one.level <= 2 ? 9 : 6,
    colour: hazardColour(one.hazard),
    title: titleOf(one),
    drill: one.drill,
  }))
  const cells = found.cells.map((one) => ({
    key: '',
    lng: one.lng,
    lat: one.lat,
    radius: 10 + 5 * Math.log10(one.count),
    colour: OTHER,
    title: String(one.count),
    text: String(one.count),
  }))
  return [...points, ...cells]
}

const FAULTS: Readonly<Record<string, ColourName>> = { overlap: 'bad', gap: 'warn', hole: 'hole' }

/** What an import found between grids, and in outlines of its own, where these have a place. */
export function faultsOf(found: GridImport): MapFault[] {
  const between = found.findings.map(
    (one): MapFault => ({ geometry: one.where, colour: FAULTS[one.kind] ?? 'bright', title: one.codes.join(' / ') }),
  )
  const within = found.faults.flatMap((one): MapFault[] => (one.where ? [{ geometry: one.where, colour: 'bad', title: one.code }] : []))
  return [...between, ...within]
}
