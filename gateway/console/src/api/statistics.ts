// `/api/v1/statistics` and `/api/v1/events/map`: figures with what they were made from, and what lies where.
import { fetchJson, query } from './http'

export interface Rate {
  name: string
  zh: string
  formula: string
  numerator: number
  denominator: number
  value: number | null
}

export interface Summary {
  since: string
  until: string
  alerts_by_state: Record<string, number>
  alerts_by_hazard: Record<string, number>
  events_by_state: Record<string, number>
  events_by_class: Record<string, number>
  rates: Rate[]
  drills_left_out: number
}

export interface Group {
  key: string
  reported: number
  closed: number
  rates: Rate[]
}

export type Grouping = 'platform' | 'department' | 'grid' | 'class'

export function summary(since: string, until: string): Promise<Summary> {
  return fetchJson(`/statistics/summary${query({ since, until })}`, { limitMs: 60_000 })
}

export function ratesBy(by: Grouping, since: string, until: string): Promise<{ items: Group[]; total: number }> {
  return fetchJson(`/statistics/rates${query({ by, since, until })}`, { limitMs: 60_000 })
}

export interface MapPoint {
  no: string
  class_code: string
  hazard: string
  state: string
  level: number
  drill: boolean
  lng: number
  lat: number
}

export interface MapCell {
  lng: number
  lat: number
  count: number
}

export interface EventMap {
  points: MapPoint[]
  cells: MapCell[]
}

/** `box`: west, south, east, north in degrees. */
export function eventMap(box: readonly number[], open: boolean, since: string): Promise<EventMap> {
  return fetchJson(`/events/map${query({ bbox: box.map((one) => one.toFixed(6)).join(','), open, since })}`)
}
