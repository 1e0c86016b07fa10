// A shape, or a corner of it, that follows the pointer until it is let go.
import { shallowReadonly, shallowRef } from 'vue'
import { draggedTo, taken, type Drag } from '../domain/drag'
import type { Corner, Outline } from '../domain/zone'

/** `surface` keeps the pointer while something is dragged, wherever on the screen it goes. */
export function useDrag(surface: () => Element | null, placeOf: (event: PointerEvent) => Corner) {
  const drag = shallowRef<Drag | null>(null)

  function take(event: PointerEvent, id: string, at: number | null, corners: Outline): void {
    surface()?.setPointerCapture(event.pointerId)
    drag.value = taken(id, at, corners, placeOf(event))
  }

  function follow(here: Corner): void {
    if (drag.value !== null) drag.value = draggedTo(drag.value, here)
  }

  /** What was dragged, as it is let go. */
  function letGo(event: PointerEvent): Drag | null {
    const last = drag.value
    if (last !== null) surface()?.releasePointerCapture(event.pointerId)
    drag.value = null
    return last
  }

  function cancel(): void {
    drag.value = null
  }

  return { drag: shallowReadonly(drag), take, follow, letGo, cancel }
}
