/// \file Median cut.
#include "host/app/draw/palette.hpp"

#include <algorithm>
#include <limits>

#include "host/base/error.hpp"

namespace stampede {
namespace {

constexpr int kBits = 6, kShift = 8 - kBits, kCells = 1 << (3 * kBits);

/// Rough shares of the channels in what the eye sees (Rec. 601 luma: 0.30, 0.59, 0.11, red and blue lifted).
constexpr std::array<int, 3> kWeight = {3, 5, 2};

std::size_t cell_of(const std::uint8_t* rgb) {
  return (static_cast<std::size_t>(rgb[0] >> kShift) << (2 * kBits)) |
         (static_cast<std::size_t>(rgb[1] >> kShift) << kBits) | static_cast<std::size_t>(rgb[2] >> kShift);
}

/// A cell of the histogram that holds pixels: their number, and their mean colour in sixteenths.
struct Bin {
  std::array<int, 3> colour{};
  std::int64_t count = 0;
};

/// Bins from `begin` to `end`, and along which channel they differ most.
struct Box {
  std::size_t begin, end;
  int channel;
  std::int64_t score;  ///< weighted squared error along that channel; the box with the largest is cut
};

Box make_box(const std::vector<Bin>& bins, std::size_t begin, std::size_t end) {
  Box box{begin, end, 0, -1};
  for (int c = 0; c < 3; ++c) {
    double count = 0, sum = 0, squares = 0;
    for (std::size_t i = begin; i < end; ++i) {
      const double x = bins[i].colour[c] / 16.0, n = static_cast<double>(bins[i].count);
      count += n;
      sum += n * x;
      squares += n * x * x;
    }
    const auto score = static_cast<std::int64_t>(kWeight[c] * (squares - sum * sum / count));
    if (score > box.score) {
      box.score = score;
      box.channel = c;
    }
  }
  return box;
}

}  // namespace

Palette::Palette(const std::vector<Image>& samples, int size) : found_(kCells, std::int16_t{-1}) {
  std::vector<std::array<std::int64_t, 4>> cells(kCells);
  for (const Image& image : samples) {
    for (std::size_t i = 0; i + 2 < image.rgb.size(); i += 3) {
      std::array<std::int64_t, 4>& cell = cells[cell_of(&image.rgb[i])];
      for (int c = 0; c < 3; ++c) cell[c] += image.rgb[i + c];
      ++cell[3];
    }
  }
  std::vector<Bin> bins;
  for (const auto& cell : cells) {
    if (cell[3] == 0) continue;
    Bin bin;
    for (int c = 0; c < 3; ++c) bin.colour[c] = static_cast<int>(16 * cell[c] / cell[3]);
    // Square roots of the counts, so that a large even ground does not take the colours that a small robot needs.
    std::int64_t root = 1;
    while (root * root < cell[3]) ++root;
    bin.count = root;
    bins.push_back(bin);
  }
  if (bins.empty()) throw Error("a palette needs at least one pixel", Status::kFailed);

  std::vector<Box> boxes = {make_box(bins, 0, bins.size())};
  while (static_cast<int>(boxes.size()) < size) {
    const auto widest =
        std::max_element(boxes.begin(), boxes.end(), [](const Box& a, const Box& b) { return a.score < b.score; });
    const Box box = *widest;
    if (box.end - box.begin < 2 || box.score <= 0) break;
    const auto first = bins.begin() + static_cast<std::ptrdiff_t>(box.begin);
    const auto last = bins.begin() + static_cast<std::ptrdiff_t>(box.end);
    std::sort(first, last, [c = box.channel](const Bin& a, const Bin& b) { return a.colour[c] < b.colour[c]; });
    std::int64_t total = 0, below = 0;
    for (auto bin = first; bin != last; ++bin) total += bin->count;
    std::size_t cut = box.begin;
    while (cut + 1 < box.end && (2 * below < total || cut == box.begin)) below += bins[cut++].count;
    *widest = make_box(bins, box.begin, cut);
    boxes.push_back(make_box(bins, cut, box.end));
  }
  for (const Box& box : boxes) {
    std::array<std::int64_t, 3> sum{};
    std::int64_t count = 0;
    for (std::size_t i = box.begin; i < box.end; ++i) {
      for (int c = 0; c < 3; ++c) sum[c] += bins[i].count * bins[i].colour[c];
      count += bins[i].count;
    }
    std::array<std::uint8_t, 3> colour{};
    for (int c = 0; c < 3; ++c) colour[c] = static_cast<std::uint8_t>((sum[c] + 8 * count) / (16 * count));
    colours_.push_back(colour);
  }
}

std::uint8_t Palette::nearest(const std::uint8_t* rgb) {
  std::int16_t& found = found_[cell_of(rgb)];
  if (found >= 0) return static_cast<std::uint8_t>(found);
  int least = std::numeric_limits<int>::max();
  for (std::size_t k = 0; k < colours_.size(); ++k) {
    int distance = 0;
    for (int c = 0; c < 3; ++c) {
      const int middle = ((rgb[c] >> kShift) << kShift) + (1 << (kShift - 1));  // the cell's middle, for all in it
      const int difference = colours_[k][c] - middle;
      distance += kWeight[c] * difference * difference;
    }
    if (distance < least) {
      least = distance;
      found = static_cast<std::int16_t>(k);
    }
  }
  return static_cast<std::uint8_t>(found);
}

}  // namespace stampede
