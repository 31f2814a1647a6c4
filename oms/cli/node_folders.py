"""Which nodes of a venue a verb is about, and their folders.

Called by the verbs over log and snapshots.
"""

from pathlib import Path

from oms.config import NodeSettings, SettingsError, load
from oms.local.folder import DataFolder, open_folder
from oms.node.snapshot_shelf import NodeFolder


def chosen_nodes(data: Path, node_id: str | None) -> list[NodeFolder]:
    """The node that was named, or all of them. Raises: SettingsError."""
    venue = open_folder(data)
    if node_id is not None:
        return [_node_folder(venue, node_id)]
    return [_node_folder(venue, node.node_id) for node in venue.venue.nodes]


def _node_folder(venue: DataFolder, node_id: str) -> NodeFolder:
    known = [node.node_id for node in venue.venue.nodes]
    if node_id not in known:
        raise SettingsError(
            what=f"there is no node {node_id!r}",
            why=f"the venue in {venue.path} has {', '.join(known)}",
            do="name one of them with --node",
            read="docs/operating.md, The data folder",
        )
    if venue.is_lost(node_id):
        raise SettingsError(
            what=f"the folder of {node_id} is gone",
            why=f"there is no {venue.node_settings(node_id)}",
            do="name another node with --node; replace this one with `oms cluster replace`",
            read="docs/operating.md, Replace a node",
        )
    settings = load(venue.node_settings(node_id), NodeSettings)
    return NodeFolder(
        path=Path(settings.data),
        node_id=node_id,
        cluster_id=int(settings.cluster_id, 16),
        engine=settings.engine,
    )
