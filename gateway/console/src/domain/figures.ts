// The figures of a model's card in the order in which they are read, and how each is written. Pure.

/** `share`: of 1, written in percent; `people`: an error in heads. `lower`: the lower the better. */
export interface FigureKind {
  readonly name: string
  readonly form: 'share' | 'people'
  readonly lower: boolean
}

const share = (name: string, lower = false): FigureKind => ({ name, form: 'share', lower })
const people = (name: string): FigureKind => ({ name, form: 'people', lower: true })

export const FIGURES: readonly { readonly group: string; readonly figures: readonly FigureKind[] }[] = [
  {
    group: 'fire',
    figures: [
      share('fire_picture_recall'),
      share('hard_negative_fire_share', true),
      share('fire_picture_recall_cctv'),
      share('hard_negative_fire_share_cctv', true),
      share('fire_map50'),
      share('smoke_map50'),
    ],
  },
  { group: 'crowd', figures: [share('person_recall'), share('person_precision'), people('gathering_mae'), people('shtechb_mae')] },
  { group: 'stall', figures: [share('stall_ap50'), share('stall_precision'), share('stall_recall')] },
]

export function written(kind: FigureKind, value: number | null | undefined): string | null {
  if (value === null || value === undefined) return null
  return kind.form === 'share' ? `${(100 * value).toFixed(1)}%` : value.toFixed(1)
}

/** Whether a new figure is better than the old one; null where they are the same or cannot be compared. */
export function better(kind: FigureKind, old: number | null | undefined, now: number | null | undefined): boolean | null {
  if (old === null || old === undefined || now === null || now === undefined || old === now) return null
  return kind.lower ? now < old : now > old
}
