// What is drawn on the map: an event, or how many lie about a place.
import type { EventMap, MapPoint } from '../api/statistics'

export interface MapMark {
  key: string
  lng: number
  lat: number
  radius: number
  colour: string
  title: string
  /** Drawn with a broken rim: it arose in a drill. */
  drill?: boolean
  /** Shown in the mark itself. */
  text?: string
}

const COLOURS: Readonly<Record<string, string>> = { fire: '#ff5a4f', crowd: '#f5a623', stall: '#3cc7b4' }
export const OTHER_COLOUR = '#4c9ffe'

export function hazardColour(hazard: string): string {
  return COLOURS[hazard] ?? OTHER_COLOUR
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
    colour: OTHER_COLOUR,
    title: String(one.count),
    text: String(one.count),
  }))
  return [...points, ...cells]
}
