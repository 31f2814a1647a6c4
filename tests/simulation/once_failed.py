"""Runs that failed once: each stays clean for good.

A fault is told whole (number, nanoseconds after the start of trading, kind), so that a run stays
what it was when kinds are added and seeds mean something else. The seed still decides who is hit.
The older ones are plain: no reads, no change of day.
"""

from typing import Final, NamedTuple

from tests.simulation.faults import Fault


class OnceFailed(NamedTuple):
    """A run, and what was wrong."""

    seed: int
    why: str
    faults: list[Fault]
    is_plain: bool = True


# fmt: off
ONCE_FAILED: Final = [
    OnceFailed(66, "a client's next life used a number that was wasted (the judge was wrong)", [
        Fault(3, 1934976001, "all power cut"), Fault(6, 3706609851, "client restart"),
    ]),
    OnceFailed(152, "the log's time was ahead of every clock, and gateways set limits by clocks", [
        Fault(2, 1165835912, "partition"), Fault(3, 1496305206, "pause"),
        Fault(4, 3356222482, "power cut"), Fault(5, 3637424144, "rivals"),
        Fault(6, 4057273350, "trap"), Fault(8, 4654283032, "slow way"),
        Fault(9, 5940718346, "short majority"), Fault(12, 8665981087, "late words"),
        Fault(13, 8782609736, "partition"), Fault(14, 10587600182, "trap"),
        Fault(15, 11444190057, "rivals"), Fault(16, 12555685033, "client restart"),
        Fault(17, 12679818981, "ambush"), Fault(18, 12888590118, "short majority"),
        Fault(19, 14681190890, "power cut"), Fault(20, 15187841495, "clock jump"),
    ]),
    OnceFailed(200092, "as 66", [
        Fault(1, 699057852, "full disk"), Fault(2, 953136155, "left behind"),
        Fault(4, 2405410056, "stop node"), Fault(7, 2616788658, "client restart"),
    ]),
    OnceFailed(300131, "as 66", [
        Fault(1, 1794405609, "ambush"), Fault(3, 2960103983, "die at IO"),
        Fault(4, 3042577314, "trap"), Fault(5, 3688348448, "ambush"),
        Fault(7, 4810105588, "die at IO"), Fault(8, 5259712811, "kill two"),
        Fault(10, 6832306168, "ambush"), Fault(11, 7730825649, "short majority"),
        Fault(12, 10165086011, "snapshot now"), Fault(13, 10719237303, "trap"),
        Fault(14, 10872276866, "ambush"), Fault(15, 11877343297, "late vote"),
        Fault(16, 12296056196, "client restart"), Fault(17, 13076996814, "late vote"),
    ]),
    OnceFailed(300296, "as 66", [
        Fault(0, 523778009, "EIO"), Fault(1, 556531883, "EIO"),
        Fault(4, 2653788512, "short majority"), Fault(5, 3826263200, "kill gateway"),
        Fault(6, 4170425952, "kill gateway"), Fault(7, 5534981489, "pause"),
        Fault(10, 7899877615, "pause"), Fault(11, 8100025237, "slow disk"),
        Fault(14, 10066360074, "EIO"), Fault(15, 11347680455, "power cut"),
        Fault(16, 11699309676, "bit flip"), Fault(17, 12861460998, "slow disk"),
        Fault(18, 13020633970, "full disk"), Fault(19, 13180271909, "slow disk"),
        Fault(20, 13698533609, "power cut"), Fault(21, 13854863375, "short majority"),
        Fault(22, 13934358292, "stop node"), Fault(23, 14564716346, "client restart"),
        Fault(24, 14867417440, "pause"), Fault(25, 14921201152, "full disk"),
        Fault(26, 15312158602, "partition"), Fault(27, 16308341859, "partition"),
    ]),
    OnceFailed(1000157, "a blow that a fault had prepared came when everything was to be well", [
        Fault(23, 14841966367, "kill two"), Fault(27, 17912084479, "power cut"),
        Fault(29, 18491386807, "rivals"), Fault(31, 19390038300, "rivals"),
        Fault(33, 19640037773, "trap"),
    ]),
    OnceFailed(3000323, "as 1000157", [
        Fault(6, 9430701257, "all power cut"), Fault(9, 17567236361, "partition"),
        Fault(10, 18827124192, "all power cut"), Fault(11, 19294197260, "rivals"),
    ]),
    OnceFailed(375, "a node that was asked to stop while it was paused stopped when it went on", [
        Fault(0, 831731436, "clock jump"), Fault(1, 960812261, "rivals"),
        Fault(2, 1326593888, "short majority"), Fault(3, 1357021571, "short majority"),
        Fault(4, 2823610794, "ambush"), Fault(5, 3407911817, "rivals"),
        Fault(6, 3489452780, "pause"), Fault(7, 3589944582, "power cut"),
        Fault(8, 3831218229, "power cut"), Fault(9, 3915080390, "ambush"),
        Fault(10, 5029882040, "partition"), Fault(11, 8772471894, "full disk"),
        Fault(12, 8881157191, "partition"), Fault(13, 10294370467, "partition"),
        Fault(14, 11245444720, "partition"), Fault(15, 11476233363, "ambush"),
        Fault(16, 11854719543, "slow way"), Fault(17, 12025558677, "slow way"),
        Fault(18, 12236735483, "all power cut"), Fault(19, 12533569802, "rivals"),
        Fault(20, 12636263208, "kill gateway"), Fault(21, 12763652764, "partition"),
        Fault(22, 13054367533, "short majority"), Fault(23, 13286538011, "power cut"),
        Fault(24, 13532952152, "kill gateway"), Fault(25, 14096618750, "rivals"),
        Fault(26, 14125443394, "links break"), Fault(27, 15579933061, "full disk"),
        Fault(28, 15905612734, "partition"), Fault(29, 16153629195, "ambush"),
        Fault(30, 16441880958, "links break"), Fault(31, 17249744663, "pause"),
        Fault(32, 17706555942, "stop node"), Fault(33, 17875160628, "power cut"),
        Fault(34, 19898651966, "ambush"),
    ]),
    OnceFailed(1, "names of a new day's files were not synced: all power cut, no outputs", [
        Fault(0, 568195354, "overtaken messages"), Fault(1, 1472440974, "partition"),
        Fault(2, 1931946967, "client flap"), Fault(3, 3535275580, "slow way"),
        Fault(4, 3631112625, "snapshot now"), Fault(5, 4187915726, "short majority"),
        Fault(6, 5185282139, "links break"), Fault(7, 5196780390, "day roll"),
        Fault(8, 5738445011, "short majority"), Fault(9, 6054494033, "day roll"),
        Fault(10, 6962573576, "ambush"), Fault(11, 7408217555, "partition"),
        Fault(12, 8660369096, "client flap"), Fault(13, 8901282318, "client flap"),
        Fault(14, 8932950038, "left behind"), Fault(15, 11367426871, "trap"),
        Fault(16, 12067050617, "overtaken messages"), Fault(17, 12258556762, "trap"),
        Fault(18, 12361980870, "double login"), Fault(19, 12412609590, "trap"),
        Fault(20, 13040039105, "EIO"), Fault(21, 14591059702, "overtaken messages"),
        Fault(22, 15345302539, "overtaken messages"), Fault(23, 16019598296, "clock jump"),
        Fault(24, 17481940673, "short majority"), Fault(25, 18407807012, "trap"),
        Fault(26, 19351958448, "slow way"), Fault(27, 19516312339, "short majority"),
    ], is_plain=False),
    OnceFailed(57, "a node with a full disk told the day before's messages as the new day's", [
        Fault(0, 1053201832, "archive"), Fault(1, 3257039395, "full disk"),
        Fault(2, 3265316106, "power cut"), Fault(3, 3649965019, "trap"),
        Fault(4, 3760920535, "day roll"), Fault(5, 5234851708, "stop node"),
        Fault(6, 5240496539, "full disk"), Fault(7, 6487964855, "kill two"),
        Fault(8, 7163956940, "client flap"), Fault(9, 7446462871, "trap"),
        Fault(10, 10438408434, "snapshot now"), Fault(11, 12608162491, "EIO"),
        Fault(12, 12941065345, "day roll"), Fault(13, 13333545100, "trap"),
        Fault(14, 13997415052, "late vote"), Fault(15, 14809889039, "EIO"),
        Fault(16, 15365499316, "ambush"), Fault(17, 16501283161, "trap"),
        Fault(18, 16752798364, "trap"), Fault(19, 17159805352, "ambush"),
        Fault(20, 17343955354, "day roll"),
    ], is_plain=False),
    OnceFailed(501170, "a day's names were not synced: power cuts, and nobody had outputs", [
        Fault(0, 726503525, "trap"), Fault(1, 830485607, "kill two"),
        Fault(4, 2575541701, "late vote"), Fault(5, 3088928942, "late vote"),
        Fault(6, 3910856640, "late vote"), Fault(7, 4515508200, "all power cut"),
        Fault(8, 4552510351, "rivals"), Fault(9, 4933453729, "pause"),
        Fault(10, 5025503342, "late vote"), Fault(11, 6244514867, "repeated messages"),
        Fault(12, 6899617732, "trap"), Fault(13, 7337008435, "power cut"),
        Fault(14, 7483928840, "double login"), Fault(15, 7530752589, "snapshot now"),
        Fault(18, 8762701120, "repeated messages"), Fault(19, 9626633303, "late vote"),
        Fault(20, 11380456979, "power cut"), Fault(21, 11564886289, "overtaken messages"),
        Fault(22, 11617734191, "trap"), Fault(23, 11715096783, "late vote"),
        Fault(24, 13085440324, "late vote"), Fault(25, 15057541555, "bit flip"),
        Fault(26, 16179405714, "pause"), Fault(27, 17156595704, "kill two"),
        Fault(28, 17242743192, "double login"), Fault(29, 18773641999, "all power cut"),
    ]),
    OnceFailed(503224, "as 501170", [
        Fault(0, 390360295, "slow disk"), Fault(1, 681768410, "double login"),
        Fault(2, 1197744818, "trap"), Fault(3, 1291219869, "left behind"),
        Fault(5, 2348847659, "stop node"), Fault(7, 3810532647, "repeated messages"),
        Fault(8, 4691614584, "trap"), Fault(9, 4822163853, "trap"),
        Fault(10, 6558906948, "all power cut"), Fault(11, 7653973700, "trap"),
        Fault(13, 8613579913, "repeated messages"), Fault(14, 9177189113, "trap"),
    ]),
    OnceFailed(600143, "all agreed while a day was being rolled (the simulation was wrong)", [
        Fault(4, 4434046508, "double login"), Fault(5, 4513922188, "full disk"),
        Fault(6, 4716708228, "repeated messages"), Fault(8, 7065376503, "short majority"),
        Fault(10, 9434815688, "pause"), Fault(11, 9579472102, "stop node"),
        Fault(12, 9894032899, "rivals"), Fault(13, 10899557961, "trap"),
        Fault(14, 12299006725, "all power cut"), Fault(15, 13726353623, "die at IO"),
        Fault(16, 14069234712, "left behind"), Fault(17, 14915696638, "full disk"),
        Fault(18, 14998429392, "all power cut"), Fault(19, 15750540133, "trap"),
        Fault(20, 17006756951, "power cut"), Fault(24, 18617205692, "power cut"),
        Fault(25, 18641672831, "kill two"), Fault(26, 19224063716, "day roll"),
    ], is_plain=False),
]
# fmt: on
