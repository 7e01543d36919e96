#pragma once
/// \file The kinds of ground, and how hard each is at difficulty 0 and 1; between them everything is linear.
///
/// Ranges marked (1) are those of N. Rudin et al., "Learning to Walk in Minutes Using Massively Parallel Deep
/// Reinforcement Learning", CoRL 2021, and its published terrain: slopes to 25 degrees, steps of 0.05 to 0.23 m with
/// treads of 0.31 m, obstacles of 0.05 to 0.25 m. (2) is X. Cheng et al., "Extreme Parkour with Legged Robots", ICRA
/// 2024: gaps of 0.1 to 0.8 m. (3) follows E. Chane-Sane et al., "SoloParkour", CoRL 2024, for Solo-12, whose hips are
/// 0.3 m above the ground as those of a Go2: steps to 0.42 m are as there. Its roofs are 0.34 to 0.26 m high, the
/// easiest just above the robot, whose back is at 0.33 m; a Go2's is at 0.39 m, and here the easiest roof is just below
/// that. The others were chosen for this project, up to about what published quadrupeds master; hurdles are lower than
/// SoloParkour's 0.35 m.

#include <array>

namespace stampede {

enum class TerrainKind {
  kFlat,
  kSlopeUp,
  kSlopeDown,
  kRough,
  kStairsUp,
  kStairsDown,
  kStones,
  kGap,
  kObstacles,
  kBoxes,
  kStepUp,
  kStepDown,
  kHurdles,
  kCrawl
};

struct TerrainKindInfo {
  const char* name;
  const char* what;
  /// The size that makes it hard, at difficulty 0 and 1: a slope [rad], else a length [m].
  double easiest, hardest;
};

/// In the order of TerrainKind.
inline constexpr std::array<TerrainKindInfo, 14> kTerrainKinds = {{
    {"flat", "level ground", 0.0, 0.0},
    {"slope-up", "a pyramid of 0 to 25 degrees, stood on its top (1)", 0.0, 0.43633231299858238},
    {"slope-down", "a funnel of 0 to 25 degrees, stood on its floor (1)", 0.0, 0.43633231299858238},
    {"rough", "heights at random every 0.2 m, within +-0.01 to +-0.08 m", 0.01, 0.08},
    {"stairs-up", "a pyramid of steps 0.05 to 0.23 m high, treads 0.31 m (1); boxes", 0.05, 0.23},
    {"stairs-down", "the same steps down into a pit (1); boxes", 0.05, 0.23},
    {"stones", "stones 0.8 to 0.25 m wide, 0.05 to 0.25 m apart, over a pit of 1 m; boxes", 0.05, 0.25},
    {"gap", "a moat 0.1 to 0.8 m wide and 1 m deep around the start (2); boxes", 0.1, 0.8},
    {"obstacles", "blocks 0.05 to 0.25 m high, 0.3 to 1 m wide (1); boxes", 0.05, 0.25},
    {"boxes", "four boxes to climb, 0.1 to 0.6 m high", 0.1, 0.6},
    {"step-up", "a pit 0.05 to 0.4 m deep around the start: one step to climb onto (3); boxes", 0.05, 0.4},
    {"step-down", "a platform 0.05 to 0.4 m high under the start: one step to get down from (3); boxes", 0.05, 0.4},
    {"hurdles", "two walls 0.15 m thick, 0.05 to 0.25 m high, around the start; boxes", 0.05, 0.25},
    {"crawl", "a roof 0.38 to 0.24 m above the ground and 0.6 m long around the start (3); boxes", 0.38, 0.24},
}};

inline constexpr double kTreadWidth = 0.31;                     ///< of stairs [m]
inline constexpr double kWidestStone = 0.8, kNarrowest = 0.25;  ///< stones at difficulty 0 and 1 [m]
inline constexpr double kPitDepth = 1.0;                        ///< under stones and gaps [m]
inline constexpr double kHurdleThickness = 0.15;                ///< [m]
inline constexpr double kRoofLength = 0.6, kRoofHeight = 0.5;   ///< along the way; from its bottom to its top [m]
inline constexpr double kSmallestTile = 4.0;                    ///< of all kinds but flat [m]

}  // namespace stampede
