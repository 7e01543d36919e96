#include "host/terrain/tiles.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/random.hpp"

namespace stampede {

namespace {

/// Boxes go so far below the ground that nothing is pushed out of them downwards [m].
constexpr double kFoundation = 0.5;
/// Neighbouring boxes overlap by so much, out of sight: rounding must leave no crack between them [m].
constexpr double kOverlap = 1e-3;
/// Half the side of the level square in the middle, where robots start, and the level strip along the rim [m].
constexpr double kStart = 0.75, kRim = 0.25;

double out_of_middle(double x, double y) { return std::max(std::fabs(x), std::fabs(y)); }

void draw_slope(TileCanvas& canvas, double angle, double sign) {
  const double foot = 0.5 * canvas.side() - kRim, top = kStart;
  canvas.heights([&](double x, double y) {
    return sign * std::tan(angle) * std::clamp(foot - out_of_middle(x, y), 0.0, foot - top);
  });
}

void draw_rough(TileCanvas& canvas, double amplitude, Random<float>& random) {
  // Random at every second decimetre, bilinear between, so that it is as rough on every spacing.
  const int points = std::max(2, static_cast<int>(std::lround(canvas.side() / 0.2)));
  std::vector<double> knots(static_cast<std::size_t>((points + 1) * (points + 1)));
  for (double& knot : knots) knot = amplitude * (2.0 * static_cast<double>(random.uniform()) - 1.0);
  const double scale = points / canvas.side();
  canvas.heights([&](double x, double y) {
    const double u = (x + 0.5 * canvas.side()) * scale, v = (y + 0.5 * canvas.side()) * scale;
    const int c = std::clamp(static_cast<int>(u), 0, points - 1), r = std::clamp(static_cast<int>(v), 0, points - 1);
    const auto knot = [&](int row, int column) { return knots[static_cast<std::size_t>(row * (points + 1) + column)]; };
    const double a = u - c, b = v - r;
    return (1 - b) * ((1 - a) * knot(r, c) + a * knot(r, c + 1)) +
           b * ((1 - a) * knot(r + 1, c) + a * knot(r + 1, c + 1));
  });
}

/// Frames of one tread each, from the outside in; the middle is what is left.
void draw_stairs(TileCanvas& canvas, double step, bool up) {
  const double spacing = canvas.terrain.settings.spacing;
  // Going down, a level frame hides where the heights fall off.
  const double curb = std::max(kRim, 3 * spacing);
  const double foot = 0.5 * canvas.side() - spacing - (up ? kRim : curb);
  const int steps = static_cast<int>((foot - kStart) / kTreadWidth);
  if (up) {
    for (int k = 0; k < steps; ++k) {
      const double outer = foot - k * kTreadWidth;
      canvas.frame(outer, k + 1 < steps ? outer - kTreadWidth - kOverlap : 0.0, -kFoundation, (k + 1) * step);
    }
    return;
  }
  const double floor = -steps * step;
  canvas.heights([&](double x, double y) { return out_of_middle(x, y) < foot + 1.5 * spacing ? floor : 0.0; });
  canvas.frame(foot + curb, foot, floor - kFoundation, 0.0);
  for (int k = 0; k + 1 < steps; ++k) {
    const double outer = foot - k * kTreadWidth;
    canvas.frame(outer + kOverlap, outer - kTreadWidth, floor - kFoundation, -(k + 1) * step);
  }
}

void draw_stones(TileCanvas& canvas, double apart, double difficulty, Random<float>& random) {
  const double width = kWidestStone + difficulty * (kNarrowest - kWidestStone), pitch = width + apart;
  const double edge = 0.5 * canvas.side() - kRim;
  // Each row of stones is shifted against the last.
  const int rows = static_cast<int>(std::ceil(canvas.side() / pitch)) + 1;
  std::vector<double> shift(static_cast<std::size_t>(rows));
  for (double& s : shift) s = pitch * static_cast<double>(random.uniform());
  canvas.heights([&](double x, double y) {
    const double from_middle = out_of_middle(x, y);
    if (from_middle >= edge || from_middle <= kStart) return 0.0;
    const double v = (y + 0.5 * canvas.side()) / pitch;
    const int row = static_cast<int>(v);
    const double u = (x + 0.5 * canvas.side() + shift[static_cast<std::size_t>(row)]) / pitch;
    const bool on = (u - std::floor(u)) * pitch < width && (v - row) * pitch < width;
    return on ? 0.0 : -kPitDepth;
  });
}

void draw_gap(TileCanvas& canvas, double width) {
  // Heights on either edge stay up: the mouth is as wide as the gap, rounded up to spacings.
  const double inner = 0.25 * canvas.side() + 1e-6, outer = inner + width - 2e-6;
  canvas.heights([&](double x, double y) {
    const double from_middle = out_of_middle(x, y);
    return from_middle > inner && from_middle < outer ? -kPitDepth : 0.0;
  });
}

void draw_obstacles(TileCanvas& canvas, double height, Random<float>& random) {
  struct Place {
    double x, y, half_x, half_y;
  };
  std::vector<Place> placed;
  const double edge = 0.5 * canvas.side() - kRim, clear = 0.3;
  const int wanted = static_cast<int>(std::lround(20 * canvas.side() * canvas.side() / 64));
  const auto draw = [&](double low, double high) { return low + (high - low) * static_cast<double>(random.uniform()); };
  for (int attempt = 0; attempt < 20 * wanted && static_cast<int>(placed.size()) < wanted; ++attempt) {
    Place p{};
    p.half_x = draw(0.15, 0.5), p.half_y = draw(0.15, 0.5);
    p.x = draw(p.half_x - edge, edge - p.half_x), p.y = draw(p.half_y - edge, edge - p.half_y);
    const double tall = height * draw(0.6, 1.0);
    const bool on_start = std::fabs(p.x) < kStart + p.half_x && std::fabs(p.y) < kStart + p.half_y;
    const bool on_other = std::any_of(placed.begin(), placed.end(), [&](const Place& q) {
      return std::fabs(p.x - q.x) < p.half_x + q.half_x + clear && std::fabs(p.y - q.y) < p.half_y + q.half_y + clear;
    });
    if (on_start || on_other) continue;
    placed.push_back(p);
    canvas.box(p.x - p.half_x, p.x + p.half_x, p.y - p.half_y, p.y + p.half_y, -kFoundation, tall);
  }
}

void draw_boxes(TileCanvas& canvas, double height, Random<float>& random) {
  const double away = 0.3 * canvas.side();
  for (int k = 0; k < 4; ++k) {
    const double half = canvas.side() * (0.08 + 0.02 * static_cast<double>(random.uniform()));
    const double aside = (0.1 * canvas.side()) * (static_cast<double>(random.uniform()) - 0.5);
    const double x = k == 0 ? away : k == 1 ? -away : aside, y = k == 2 ? away : k == 3 ? -away : aside;
    canvas.box(x - half, x + half, y - half, y + half, -kFoundation, height);
  }
}

}  // namespace

void TileCanvas::box(double x0, double x1, double y0, double y1, double bottom, double top) {
  TerrainBox box{};
  const double low[3] = {middle_x + x0, middle_y + y0, bottom}, high[3] = {middle_x + x1, middle_y + y1, top};
  for (int k = 0; k < 3; ++k) {
    box.centre[k] = static_cast<float>(0.5 * (low[k] + high[k]));
    box.half[k] = static_cast<float>(0.5 * (high[k] - low[k]));
  }
  terrain.boxes.push_back(box);
}

void TileCanvas::frame(double outer, double inner, double bottom, double top) {
  if (inner <= 0) return box(-outer, outer, -outer, outer, bottom, top);
  box(-outer, outer, inner, outer, bottom, top);
  box(-outer, outer, -outer, -inner, bottom, top);
  const double end = inner + kOverlap;
  box(inner, outer, -end, end, bottom, top);
  box(-outer, -inner, -end, end, bottom, top);
}

void draw_tile(TileCanvas& canvas, TerrainKind kind, double difficulty, std::uint32_t index) {
  const TerrainKindInfo& info = kTerrainKinds[static_cast<std::size_t>(kind)];
  const double hard = info.easiest + difficulty * (info.hardest - info.easiest);
  Random<float> random(canvas.terrain.settings.seed, index, 0, Purpose::kTerrain);
  switch (kind) {
    case TerrainKind::kFlat:
      return;
    case TerrainKind::kSlopeUp:
      return draw_slope(canvas, hard, 1);
    case TerrainKind::kSlopeDown:
      return draw_slope(canvas, hard, -1);
    case TerrainKind::kRough:
      return draw_rough(canvas, hard, random);
    case TerrainKind::kStairsUp:
      return draw_stairs(canvas, hard, true);
    case TerrainKind::kStairsDown:
      return draw_stairs(canvas, hard, false);
    case TerrainKind::kStones:
      return draw_stones(canvas, hard, difficulty, random);
    case TerrainKind::kGap:
      return draw_gap(canvas, hard);
    case TerrainKind::kObstacles:
      return draw_obstacles(canvas, hard, random);
    case TerrainKind::kBoxes:
      return draw_boxes(canvas, hard, random);
  }
}

}  // namespace stampede
