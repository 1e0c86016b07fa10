// A rule of a camera (detectors/rules/config.py): its fields, their bounds and first values.
import { WHOLE, type Corner, type Outline } from './zone'

/** From and to as HH:MM, in the city's own time; a later from than to runs over midnight. */
export type Hours = readonly [string, string]
export type Kind = 'fire' | 'crowd' | 'stall'
export const KINDS: readonly Kind[] = ['fire', 'crowd', 'stall']
export const MOST_RULES = 32
export const MOST_HOURS = 8

interface Common {
  zone: string
  polygon: Outline
  exclusions: readonly Outline[]
  hours: readonly Hours[]
  /** 0: the weights' own threshold. */
  min_score: number
  enabled: boolean
}

/** A place where a stall is allowed; without hours always. */
export interface PermittedPoint {
  x: number
  y: number
  hours: readonly Hours[]
}

/** A point of the picture and where it lies on the ground, in metres from any fixed point. */
export interface GroundPoint {
  x: number
  y: number
  east: number
  north: number
}

export interface FireRule extends Common {
  kind: 'fire'
  seen_seconds: number
  window_seconds: number
  steady_seconds: number
  release_seconds: number
  smoke: boolean
}

export interface CrowdRule extends Common {
  kind: 'crowd'
  people: number
  dwell_seconds: number
  release_share: number
  release_seconds: number
  ground: readonly GroundPoint[]
  spacing_metres: number
}

export interface StallRule extends Common {
  kind: 'stall'
  dwell_seconds: number
  occlusion_seconds: number
  attended_only: boolean
  permitted: readonly PermittedPoint[]
}

export type Rule = FireRule | CrowdRule | StallRule

export type Unit = 'seconds' | 'people' | 'percent' | 'metres'

/** A number of a rule; in percent the field shows a hundred times what is kept. `deep`: seldom changed. */
export interface NumberField {
  readonly name: string
  readonly unit: Unit
  readonly least: number
  readonly most: number
  readonly step: number
  readonly deep: boolean
}

function field(name: string, unit: Unit, least: number, most: number, step = 1, deep = false): NumberField {
  return { name, unit, least, most, step, deep }
}

const SCORE = field('min_score', 'percent', 0, 95, 5, true)

/** The numbers of each kind of rule, in the order in which they are read. */
export const NUMBERS: Readonly<Record<Kind, readonly NumberField[]>> = {
  fire: [
    field('seen_seconds', 'seconds', 0, 30),
    field('window_seconds', 'seconds', 1, 30),
    field('steady_seconds', 'seconds', 0, 30, 1, true),
    field('release_seconds', 'seconds', 1, 600, 1, true),
    SCORE,
  ],
  crowd: [
    field('people', 'people', 2, 300),
    field('dwell_seconds', 'seconds', 0, 86_400, 10),
    field('release_share', 'percent', 1, 100, 5, true),
    field('release_seconds', 'seconds', 1, 600, 1, true),
    SCORE,
  ],
  stall: [
    field('dwell_seconds', 'seconds', 0, 86_400, 60),
    field('occlusion_seconds', 'seconds', 1, 600, 5, true),
    SCORE,
  ],
}

export const SPACING = field('spacing_metres', 'metres', 0.5, 50, 0.5, true)

/** The yes-or-no of each kind, beside `enabled`. */
export const SWITCH: Readonly<Record<Kind, string | null>> = { fire: 'smoke', crowd: null, stall: 'attended_only' }

export function shownNumber(rule: Rule, { name, unit }: NumberField): number {
  const kept = Number((rule as unknown as Record<string, unknown>)[name])
  return unit === 'percent' ? Math.round(kept * 1000) / 10 : kept
}

export function keptNumber({ unit }: NumberField, shown: number): number {
  return unit === 'percent' ? Math.round(shown * 10) / 1000 : shown
}

/** Replaces some fields; the kind stays. */
export function withValues(rule: Rule, values: object): Rule {
  return { ...rule, ...values, kind: rule.kind } as Rule
}

/** The domain's first values on the whole picture. */
export function blankRule(kind: Kind, zone: string): Rule {
  const common = { zone, polygon: WHOLE, exclusions: [], hours: [], min_score: 0, enabled: true }
  switch (kind) {
    case 'fire':
      return { ...common, kind, seen_seconds: 3, window_seconds: 5, steady_seconds: 12, release_seconds: 5, smoke: true }
    case 'crowd':
      return {
        ...common, kind, people: 15, dwell_seconds: 60, release_share: 0.7, release_seconds: 10, ground: [],
        spacing_metres: 3,
      }
    case 'stall':
      return { ...common, kind, dwell_seconds: 300, occlusion_seconds: 20, attended_only: false, permitted: [] }
  }
}

/** `name`, or `name 2`, `name 3`…: the first that no other rule of the kind has. */
export function freeName(rules: readonly Rule[], kind: Kind, name: string): string {
  const taken = new Set(rules.filter((one) => one.kind === kind).map((one) => one.zone))
  if (!taken.has(name)) return name
  const stem = name.replace(/ \d+$/, '').slice(0, 45)
  for (let number = 2; ; number += 1) if (!taken.has(`${stem} ${number}`)) return `${stem} ${number}`
}

export function sameRules(one: readonly Rule[], other: readonly Rule[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

/** Where the gateway's refusal points: `rules.2.permitted.0.hours` is rule 2, `permitted`. */
export function blamedField(field: string | null): { rule: number; name: string } | null {
  const found = /^rules\.(\d+)(?:\.(\w+))?/.exec(field ?? '')
  return found === null ? null : { rule: Number(found[1]), name: found[2] ?? '' }
}

/** A refusal's words where the field is marked: its path says nothing that is not seen. */
export function withoutPath(words: string): string {
  return words.replace(/[（(\s]*rules\.[\w.]+[)）]?/, '')
}

export type { Corner, Outline }
