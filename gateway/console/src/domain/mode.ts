// Peace, wartime and drills as the gateway shows them. Pure; time by argument.

export interface ModeLogEntry {
  at: string
  action: string
  operator: string
  opinion: string
}

export interface ModeSwitch {
  id: string
  platform: string
  wartime: boolean
  drill: boolean
  classes: string[]
  reason: string
  state: string
  asked_by: string
  asked_at: string
  decided_by: string | null
  since: string | null
  until: string
  warned_at: string | null
  revision: number
  log: ModeLogEntry[]
}

export interface Mode {
  wartime: boolean
  drill: boolean
  switches: ModeSwitch[]
  asked: number
  wartime_changes: { window_share: number; limit_share: number; supervise_share: number; escalated_by: string[] }
}

export type ModeKind = 'wartime' | 'drill' | 'wartimeDrill'

/** Who may escalate an event of this class beside the usual: the server knows its platform's mode, and decides. */
export function escalatedBy(mode: Mode | null, classCode: string, nowMs: number): readonly string[] {
  const held = (mode?.switches ?? []).some(
    (one) => one.wartime && Date.parse(one.until) > nowMs && (one.classes.length === 0 || one.classes.includes(classCode)),
  )
  return held && mode !== null ? mode.wartime_changes.escalated_by : []
}

export function kindOf(one: { wartime: boolean; drill: boolean }): ModeKind {
  return one.wartime ? (one.drill ? 'wartimeDrill' : 'wartime') : 'drill'
}

/** Who may decide on a switch sees what they may do with it now. */
export function actionsOf(one: ModeSwitch, me: string, decides: boolean, nowMs: number): readonly string[] {
  if (Date.parse(one.until) <= nowMs) return []
  if (one.state === 'approved') return decides ? ['end'] : []
  if (one.state !== 'asked') return []
  const own = one.asked_by === me
  return [...(decides && !own ? ['approve', 'refuse'] : []), ...(own ? ['withdraw'] : [])]
}
