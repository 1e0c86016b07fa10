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
