#include "host/model/terrain/tiles.hpp"

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
  // Random heights about every 0.2 m, interpolated bilinearly, so that the roughness does not depend on the spacing.
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

/// How far from the middle a single obstacle around the start begins.
double obstacle_begin(const TileCanvas& canvas) { return 0.25 * canvas.side(); }

/// Where the widest pit ends.
double pit_edge(const TileCanvas& canvas) {
  const double spacing = canvas.terrain.settings.spacing;
  return 0.5 * canvas.side() - spacing - std::max(kRim, 3 * spacing);
}

/// Lets the heights fall off to `floor`, hidden under a level frame from `edge` to the rim.
void draw_pit(TileCanvas& canvas, double floor, double edge) {
  const double spacing = canvas.terrain.settings.spacing, hidden = pit_edge(canvas) + 1.5 * spacing;
  canvas.heights([&](double x, double y) { return out_of_middle(x, y) < hidden ? floor : 0.0; });
  canvas.frame(0.5 * canvas.side() - spacing, edge, floor - kFoundation, 0.0);
}

/// Frames of one tread each, from the outside in; the middle is what is left.
void draw_stairs(TileCanvas& canvas, double step, bool up) {
  const auto steps_within = [](double foot) { return static_cast<int>((foot - kStart) / kTreadWidth); };
  if (up) {
    const double foot = 0.5 * canvas.side() - canvas.terrain.settings.spacing - kRim;
    const int steps = steps_within(foot);
    for (int k = 0; k < steps; ++k) {
      const double outer = foot - k * kTreadWidth;
      canvas.frame(outer, k + 1 < steps ? outer - kTreadWidth - kOverlap : 0.0, -kFoundation, (k + 1) * step);
    }
    return;
  }
  const double foot = pit_edge(canvas);
  const int steps = steps_within(foot);
  const double floor = -steps * step;
  draw_pit(canvas, floor, foot);
  for (int k = 0; k + 1 < steps; ++k) {
    const double outer = foot - k * kTreadWidth;
    canvas.frame(outer + kOverlap, outer - kTreadWidth, floor - kFoundation, -(k + 1) * step);
  }
}

void draw_stones(TileCanvas& canvas, double apart, double difficulty, Random<float>& random) {
  const double width = kWidestStone + difficulty * (kNarrowest - kWidestStone), pitch = width + apart;
  const double edge = pit_edge(canvas), bottom = -kPitDepth - kFoundation;
  draw_pit(canvas, -kPitDepth, edge);
  canvas.box(-kStart, kStart, -kStart, kStart, bottom, 0.0);
  for (double y = -edge; y < edge; y += pitch) {
    // Each row of stones is shifted against the last.
    const double shift = pitch * static_cast<double>(random.uniform());
    for (double x = -edge - shift; x < edge; x += pitch) {
      const double x0 = std::max(x, -edge), x1 = std::min(x + width, edge), y1 = std::min(y + width, edge);
      const bool hidden = std::max({-x0, x1, -y, y1}) <= kStart;
      // What is cut to less than 5 cm is left out.
      if (x1 - x0 > 0.05 && y1 - y > 0.05 && !hidden) canvas.box(x0, x1, y, y1, bottom, 0.0);
    }
  }
}

void draw_gap(TileCanvas& canvas, double width) {
  const double edge = pit_edge(canvas), inner = obstacle_begin(canvas), bottom = -kPitDepth - kFoundation;
  draw_pit(canvas, -kPitDepth, edge);
  canvas.box(-inner, inner, -inner, inner, bottom, 0.0);
  if (inner + width < edge) canvas.frame(edge + kOverlap, inner + width, bottom, 0.0);
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

void draw_step_down(TileCanvas& canvas, double height) {
  canvas.frame(obstacle_begin(canvas), 0, -kFoundation, height);
}

void draw_hurdles(TileCanvas& canvas, double height) {
  for (const double inner : {obstacle_begin(canvas), 0.4 * canvas.side()}) {
    canvas.frame(inner + kHurdleThickness, inner, -kFoundation, height);
  }
}

void draw_crawl(TileCanvas& canvas, double clear) {
  const double inner = obstacle_begin(canvas);
  canvas.frame(inner + kRoofLength, inner, clear, clear + kRoofHeight);
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
    case TerrainKind::kStepUp:
      return draw_pit(canvas, -hard, obstacle_begin(canvas));
    case TerrainKind::kStepDown:
      return draw_step_down(canvas, hard);
    case TerrainKind::kHurdles:
      return draw_hurdles(canvas, hard);
    case TerrainKind::kCrawl:
      return draw_crawl(canvas, hard);
  }
}

}  // namespace stampede
