// An outline or a point drawn over a picture, by clicks and by keys: Enter ends it, Backspace takes a corner back and
// Escape abandons it.
import { computed, shallowRef, watch } from 'vue'
import { isPoint, type Role } from '../domain/drawing'
import type { Size } from '../domain/frame'
import { canEnd, ended, withClick } from '../domain/sketch'
import type { Corner, Outline } from '../domain/zone'

/** `role`: what is drawn; null: nothing. `size`: of the picture on the screen. */
export function useSketch(
  role: () => Role | null,
  size: () => Size,
  told: { drawn: (corners: Outline) => void; abandoned: () => void },
) {
  const corners = shallowRef<Outline>([])
  const pointer = shallowRef<Corner | null>(null)

  function clear(): void {
    corners.value = []
    pointer.value = null
  }

  function finish(outline: Outline = corners.value): void {
    corners.value = []
    told.drawn(outline)
  }

  function click(corner: Corner): void {
    const drawing = role()
    if (drawing === null) return
    const sketch = withClick(corners.value, corner, drawing, size())
    if (sketch.whole) finish(sketch.corners)
    else corners.value = sketch.corners
  }

  function hover(corner: Corner): void {
    if (role() !== null) pointer.value = corner
  }

  function key(event: KeyboardEvent): void {
    const drawing = role()
    if (drawing === null) return
    if (event.key === 'Enter') finish(ended(corners.value, drawing))
    else if (event.key === 'Escape') told.abandoned()
    else if (event.key === 'Backspace') corners.value = corners.value.slice(0, -1)
    else return
    event.preventDefault()
    event.stopPropagation()
  }

  watch(role, clear)
  return {
    corners,
    /** With the corner that a click would add. */
    line: computed(() => (pointer.value !== null && corners.value.length > 0 ? [...corners.value, pointer.value] : corners.value)),
    /** Whether it can be ended by a button: an outline of enough corners. */
    ready: computed(() => canEnd(corners.value)),
    isOutline: computed(() => {
      const drawing = role()
      return drawing !== null && !isPoint(drawing)
    }),
    click,
    hover,
    key,
    finish,
  }
}
