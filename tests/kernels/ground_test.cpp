/// \file What is ground and what is a roof over it.

#include "envs/legged/ground.hpp"

#include <vector>

#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

struct Box {
  float x, half_x, bottom, top;
};

/// Boxes in one cell, in the order in which lists have them: the lowest bottom first.
struct Map {
  std::vector<float> boxes, cells;
  LeggedGround ground{};

  explicit Map(const std::vector<Box>& from) {
    for (const Box& b : from) {
      const float row[8] = {b.x,      0, 0.5f * (b.top + b.bottom), 0,  //
                            b.half_x, 1, 0.5f * (b.top - b.bottom), 0};
      boxes.insert(boxes.end(), row, row + 8);
      cells.push_back(static_cast<float>(cells.size()));
    }
    const float none[8] = {0, 0, -1e6f, 0, 0, 0, 0, 0};
    boxes.insert(boxes.end(), none, none + 8);
    cells.push_back(static_cast<float>(from.size()));  // a slot that is left
    TerrainView& map = ground.map;
    map.boxes = boxes.data();
    map.cells = cells.data();
    map.cell_columns = map.cell_rows = 1;
    map.boxes_per_cell = static_cast<int>(cells.size());
    map.box_count = static_cast<float>(from.size());
    map.inverse_cell = 1;
  }
};

TEST(Ground, RoofsAreNotStoodOn) {
  const Map map({{0, 2, -0.5f, 0.1f},       // a floor of 0.1 m
                 {0.5f, 0.5f, 0.1f, 0.3f},  // a step that stands on it
                 {0, 1, 0.6f, 0.8f},        // a roof over both
                 {0, 0.8f, 0.7f, 1.5f}});   // higher up, and no roof of its own
  struct Place {
    float x, from, ground, ceiling;
  };
  const Place places[] = {
      {-3, 0.3f, 0, kNoCeiling},                                   // beside all
      {-1.5f, 0.3f, 0.1f, kNoCeiling}, {-0.9f, 0.3f, 0.1f, 0.6f},  // under the roof, on the floor
      {0.5f, 0.5f, 0.3f, 0.6f},                                    // under it, on the step
      {-0.9f, 1.1f, 0.8f, kNoCeiling},                             // who is above the roof may stand on it
      {-0.5f, 1.1f, 1.5f, kNoCeiling},                             // and what lies on it
  };
  for_each_width([&]<class Real>() {
    for (const Place& place : places) {
      const auto column = ground_column(map.ground, Real(place.x), Real(0.2f), Real(place.from));
      float ground[kMaxLanes], ceiling[kMaxLanes];
      store(ground, column.ground), store(ceiling, column.ceiling);
      for (int lane = 0; lane < kLanes<Real>; ++lane) {
        EXPECT_NEAR(ground[lane], place.ground, 1e-6) << "at " << place.x << " from " << place.from;
        EXPECT_NEAR(ceiling[lane], place.ceiling, 1e-6) << "at " << place.x << " from " << place.from;
      }
    }
  });
}

/// Each lane looks at its own place and from its own height.
TEST(Ground, LanesAreApart) {
  const Map map({{0, 1, 0.5f, 0.7f}});
  for_each_width([&]<class Real>() {
    float x[kMaxLanes], from[kMaxLanes], ground[kMaxLanes], ceiling[kMaxLanes];
    for (int lane = 0; lane < kMaxLanes; ++lane) {
      x[lane] = lane % 2 == 0 ? 0.0f : 1.5f;
      from[lane] = lane % 4 < 2 ? 0.3f : 0.9f;
    }
    const auto column = ground_column(map.ground, load<Real>(x), Real(0.0f), load<Real>(from));
    store(ground, column.ground), store(ceiling, column.ceiling);
    for (int lane = 0; lane < kLanes<Real>; ++lane) {
      EXPECT_NEAR(ground[lane], lane % 4 == 2 ? 0.7f : 0.0f, 1e-6) << lane;
      EXPECT_NEAR(ceiling[lane], lane % 4 == 0 ? 0.5f : kNoCeiling, 1e-6) << lane;
    }
  });
}

}  // namespace
}  // namespace stampede::testing
