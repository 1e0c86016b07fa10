// The shapes of a rule as they are drawn over a picture, and the rule again from what was drawn. Pure.
import { withValues, type CrowdRule, type Rule, type StallRule } from './rule'
import { faultOf, type Corner, type Outline, type Soundness } from './zone'

export type OutlineRole = 'zone' | 'exclusion'
export type PointRole = 'permitted' | 'ground'
export type Role = OutlineRole | PointRole

/** One shape; of a point `corners` is that point alone. `id`: role and number, stable while nothing is removed. */
export interface Shape {
  readonly id: string
  readonly role: Role
  readonly number: number
  readonly corners: Outline
}

export const MOST: Readonly<Record<Role, number>> = { zone: 1, exclusion: 16, permitted: 64, ground: 4 }

/** How far apart on the ground calibration points are taken to lie before somebody has measured: a square of 10 m. */
const GROUND = [[0, 0], [10, 0], [10, 10], [0, 10]] as const

export function isPoint(role: Role): role is PointRole {
  return role === 'permitted' || role === 'ground'
}

function shapes(role: Role, outlines: readonly Outline[]): Shape[] {
  return outlines.map((corners, number) => ({ id: `${role}:${number}`, role, number, corners }))
}

export function shapesOf(rule: Rule): Shape[] {
  const points = (found: readonly { x: number; y: number }[]): Outline[] => found.map(({ x, y }) => [[x, y]])
  return [
    ...shapes('zone', [rule.polygon]),
    ...shapes('exclusion', rule.exclusions),
    ...(rule.kind === 'stall' ? shapes('permitted', points(rule.permitted)) : []),
    ...(rule.kind === 'crowd' ? shapes('ground', points(rule.ground)) : []),
  ]
}

const SOUND: Soundness = { fault: null, edges: new Set() }

/** What is wrong with a shape; nothing with a point. */
export function soundnessOf(shape: Shape): Soundness {
  return isPoint(shape.role) ? SOUND : faultOf(shape.corners)
}

/** Number of the first rule with an outline that is none, which the gateway need not be asked about; -1: all are well. */
export function misdrawn(rules: readonly Rule[]): number {
  return rules.findIndex((rule) => shapesOf(rule).some((shape) => soundnessOf(shape).fault !== null))
}

/** What can be drawn for a rule of this kind, and whether one more of it can. */
export function rolesOf(rule: Rule): Role[] {
  if (rule.kind === 'stall') return ['zone', 'exclusion', 'permitted']
  return rule.kind === 'crowd' ? ['zone', 'exclusion', 'ground'] : ['zone', 'exclusion']
}

export function countOf(rule: Rule, role: Role): number {
  return shapesOf(rule).filter((one) => one.role === role).length
}

/** The rule with a shape changed. */
export function withShape(rule: Rule, id: string, corners: Outline): Rule {
  const { role, number } = parsed(id)
  const [x, y] = corners[0] ?? [0, 0]
  switch (role) {
    case 'zone':
      return withValues(rule, { polygon: corners })
    case 'exclusion':
      return withValues(rule, { exclusions: rule.exclusions.map((one, at) => (at === number ? corners : one)) })
    default: {
      const points = pointsOf(rule, role).map((one, at) => (at === number ? { ...one, x, y } : one))
      return withValues(rule, { [role]: points })
    }
  }
}

/** The rule with a shape more; a drawn zone takes the old one's place. */
export function withDrawn(rule: Rule, role: Role, corners: Outline): { rule: Rule; id: string } {
  if (role === 'zone') return { rule: withValues(rule, { polygon: corners }), id: 'zone:0' }
  const id = `${role}:${countOf(rule, role)}`
  if (role === 'exclusion') return { rule: withValues(rule, { exclusions: [...rule.exclusions, corners] }), id }
  const [x, y]: Corner = corners[0] ?? [0, 0]
  const points = pointsOf(rule, role)
  const [east, north] = GROUND[points.length % GROUND.length] ?? [0, 0]
  const more = role === 'permitted' ? { x, y, hours: [] } : { x, y, east, north }
  return { rule: withValues(rule, { [role]: [...points, more] }), id }
}

/** The rule without a shape; a rule always has its zone. */
export function withoutShape(rule: Rule, id: string): Rule {
  const { role, number } = parsed(id)
  if (role === 'zone') return rule
  if (role === 'exclusion') return withValues(rule, { exclusions: rule.exclusions.filter((_, at) => at !== number) })
  return withValues(rule, { [role]: pointsOf(rule, role).filter((_, at) => at !== number) })
}

function pointsOf(rule: Rule, role: PointRole): readonly { x: number; y: number }[] {
  return role === 'permitted' ? ((rule as StallRule).permitted ?? []) : ((rule as CrowdRule).ground ?? [])
}

function parsed(id: string): { role: Role; number: number } {
  const [role, number] = id.split(':')
  return { role: role as Role, number: Number(number) }
}
