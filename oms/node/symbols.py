"""instrument_id <-> symbol and which accounts there are, as the engine has them.

Called by egress and requests. Instruments are only added and keep their symbol, so what was read
once stays true; a miss reads the directory again.
"""

from oms.node.engine import Engine


class Symbols:
    """A cache of the engine's directory that is right whenever it answers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._symbols: dict[int, str] = {}
        self._ids: dict[str, int] = {}
        self._read_at = -1  # engine.applied_index at the last reading

    def _refresh(self) -> None:
        if self._engine.applied_index == self._read_at:
            return
        self._read_at = self._engine.applied_index
        for instrument in self._engine.directory().instruments:
            self._symbols[instrument.instrument_id] = instrument.symbol
            self._ids[instrument.symbol] = instrument.instrument_id

    def symbol(self, instrument_id: int) -> str:
        """Symbol of an instrument; empty when there is none of that number."""
        symbol = self._symbols.get(instrument_id)
        if symbol is None and instrument_id:
            self._refresh()
            symbol = self._symbols.get(instrument_id)
        return symbol or ""

    def instrument_id(self, symbol: str) -> int:
        """Number of an instrument; 0 when there is none of that symbol."""
        instrument_id = self._ids.get(symbol)
        if instrument_id is None:
            self._refresh()
            instrument_id = self._ids.get(symbol)
        return instrument_id or 0
