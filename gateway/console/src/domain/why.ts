// Why an alert was raised, as its rule told it (detectors/rules): read with care, for old alerts lack much of it and a
// newer gateway may say more. Pure; words by argument.
import { isWhole, type Corner, type Outline } from './zone'

export type Why = Readonly<Record<string, unknown>>
/** x1, y1, x2, y2, normalised to the picture. */
export type Sides = readonly [number, number, number, number]
export type Words = (key: string, values?: Record<string, string | number>) => string

/** One look: a score of 0 to 1, for a crowd how many people. `closer`: what the second look said; null without one. */
export interface Look {
  readonly at: number
  readonly value: number
  readonly closer: boolean | null
}

const MOST_SHOWN = 400

function record(found: unknown): Why {
  return typeof found === 'object' && found !== null && !Array.isArray(found) ? (found as Why) : {}
}

function number(found: unknown): number | null {
  return typeof found === 'number' && Number.isFinite(found) ? found : null
}

function list(found: unknown): readonly unknown[] {
  return Array.isArray(found) ? found.slice(-MOST_SHOWN) : []
}

function sides(found: unknown): Sides | null {
  const box = list(found).map(number)
  return box.length === 4 && box.every((side) => side !== null) ? (box as unknown as Sides) : null
}

function sidesOf(found: unknown): Sides[] {
  return list(found).map(sides).filter((box) => box !== null)
}

/** The looks that saw it, in their order. */
export function looksOf(hazard: string, why: Why): Look[] {
  return list(why['seen']).flatMap((found) => {
    const one = record(found)
    const at = number(one['at'])
    const value = number(one[hazard === 'crowd' ? 'people' : 'score'])
    return at === null || value === null ? [] : { at, value, closer: typeof one['closer'] === 'boolean' ? one['closer'] : null }
  })
}

/** Times of the looks that did not see it. */
export function missedOf(why: Why): number[] {
  return list(why['missed']).flatMap((at) => number(at) ?? [])
}

/** What the rule asked of a look: so many people, or a score where the rule has one of its own. */
export function limitOf(hazard: string, why: Why): number | null {
  const rule = record(why['rule'])
  return hazard === 'crowd' ? (number(why['threshold']) ?? number(rule['people'])) : number(rule['min_score']) || null
}

/** The boxes of the last look, and those of the looks before it. */
export function boxesOf(why: Why): { last: Sides[]; before: Sides[] } {
  const seen = sidesOf(list(why['seen']).map((one) => record(one)['box']))
  const many = sidesOf(why['boxes'])
  const last = many.length > 0 ? many : [sides(why['box']) ?? seen.at(-1) ?? null].filter((box) => box !== null)
  return { last, before: seen.slice(0, -1) }
}

function outline(found: unknown): Outline | null {
  const corners = list(found).map((corner) => list(corner).map(number))
  const whole = corners.length >= 3 && corners.every((one) => one.length === 2 && one.every((side) => side !== null))
  return whole ? (corners as unknown as readonly Corner[]) : null
}

/** The rule's zone, unless it is the whole picture, and what it leaves out. */
export function outlinesOf(why: Why): { zone: Outline | null; exclusions: Outline[] } {
  const rule = record(why['rule'])
  const zone = outline(rule['polygon'])
  const exclusions = list(rule['exclusions']).map(outline).filter((one) => one !== null)
  return { zone: zone === null || isWhole(zone) ? null : zone, exclusions }
}

/** What saw it; empty where the alert does not say. */
export function modelOf(why: Why): { name: string; sha256: string } {
  const text = (name: string): string => (typeof why[name] === 'string' ? (why[name] as string) : '')
  return { name: text('model'), sha256: text('weights_sha256') }
}

export function isEmpty(hazard: string, why: Why): boolean {
  return reasons(hazard, why, null, () => '-').length === 0 && looksOf(hazard, why).length === 0
}

/** `12 seconds`, `5 min 10 s`. */
export function lasting(seconds: number, t: Words): string {
  if (seconds < 100) return t('why.seconds', { seconds: Math.round(seconds * 10) / 10 })
  const whole = Math.round(seconds)
  const rest = whole % 60
  return rest === 0 ? t('why.minutes', { minutes: whole / 60 }) : t('why.minutesSeconds', { minutes: Math.floor(whole / 60), seconds: rest })
}

const percent = (share: number): number => Math.round(share * 100)

/** In sentences: what made the alert. `took`: seconds from the hazard's first sight to the alert, null where unknown. */
export function reasons(hazard: string, why: Why, took: number | null, t: Words): string[] {
  const said: string[] = []
  const asked = (name: string): number | null => number(why[name])
  const say = (key: string, values?: Record<string, string | number | null>): void => {
    if (Object.values(values ?? {}).every((one) => one !== null)) said.push(t(`why.${key}`, values as Record<string, string | number>))
  }
  const long = (seconds: number | null): string | null => (seconds === null ? null : lasting(seconds, t))
  if (hazard === 'crowd') {
    say('people', { people: asked('people'), threshold: asked('threshold') })
    say('held', { held: long(asked('held_seconds')), dwell: long(number(record(why['rule'])['dwell_seconds'])) })
    if (typeof why['calibrated'] === 'boolean') say(why['calibrated'] ? 'calibrated' : 'uncalibrated')
    return said
  }
  const scores = looksOf(hazard, why).map((one) => one.value)
  const score = scores.length > 0 ? percent(Math.max(...scores)) : null
  if (hazard === 'stall') {
    say('stood', { stood: long(asked('stood_seconds')), needed: long(asked('threshold_seconds')) })
    say('stallLooks', { looks: asked('looks'), seen: asked('looks_seen'), score })
    if (typeof why['attended'] === 'boolean') say(why['attended'] ? 'attended' : 'unattended')
    if ((asked('stalls') ?? 0) > 1) say('stalls', { count: asked('stalls') })
    return said
  }
  const labels = list(why['labels']).filter((one) => one === 'fire' || one === 'smoke')
  const what = t(labels.length === 2 ? 'why.fireAndSmoke' : labels[0] === 'smoke' ? 'why.smoke' : 'why.fire')
  say('fireLooks', { looks: asked('looks'), seen: asked('looks_seen'), what, score })
  if (said.length > 0) say('took', { took: long(took), needed: long(asked('seconds_needed')) })
  if (asked('looked_at_closer') === 0) say('notCloser')
  else say('closer', { looked: asked('looked_at_closer'), confirmed: asked('confirmed_closer') })
  say('judged', { share: asked('judged') === null ? null : percent(asked('judged') ?? 0) })
  if (why['steady'] === true) say('steady')
  else if (why['steady'] === false) say('moving')
  if (list(why['rejections']).length > 0) say('rejected')
  if ((asked('spots') ?? 0) > 1) say('spots', { count: asked('spots') })
  return said
}

/** The rule as it was when it fired, in words. */
export function ruleInWords(hazard: string, why: Why, t: Words): string[] {
  const rule = record(why['rule'])
  if (Object.keys(rule).length === 0) return []
  const said: string[] = []
  const asked = (name: string): number | null => number(rule[name])
  const say = (key: string, values?: Record<string, string | number | null>): void => {
    if (Object.values(values ?? {}).every((one) => one !== null)) said.push(t(`why.rule.${key}`, values as Record<string, string | number>))
  }
  const long = (name: string): string | null => (asked(name) === null ? null : lasting(asked(name) ?? 0, t))
  if (hazard === 'fire') {
    say('fire', { seen: long('seen_seconds'), window: long('window_seconds') })
    say('steady', { seconds: long('steady_seconds') })
    if (rule['smoke'] === false) say('noSmoke')
  } else if (hazard === 'crowd') {
    say('crowd', { people: asked('people'), dwell: long('dwell_seconds') })
    if (list(rule['ground']).length === 4) say('spacing', { metres: asked('spacing_metres') })
  } else {
    say('stall', { dwell: long('dwell_seconds'), hidden: long('occlusion_seconds') })
    if (rule['attended_only'] === true) say('attendedOnly')
    if (list(rule['permitted']).length > 0) say('permitted', { count: list(rule['permitted']).length })
  }
  if (asked('min_score') !== null) {
    if (asked('min_score') === 0) say('ownScore')
    else say('score', { score: percent(asked('min_score') ?? 0) })
  }
  const zone = typeof rule['zone'] === 'string' ? rule['zone'] : null
  say(outlinesOf(why).zone === null ? 'whole' : 'zone', { zone })
  if (list(rule['exclusions']).length > 0) say('exclusions', { count: list(rule['exclusions']).length })
  const hours = list(rule['hours']).flatMap((one) => {
    const [from, to] = list(one)
    return typeof from === 'string' && typeof to === 'string' ? [`${from}–${to}`] : []
  })
  if (hours.length > 0) say('hours', { hours: hours.join(t('why.and')) })
  const view = why['view']
  if (typeof view === 'string' && view !== '') say('view', { view })
  return said
}
