#pragma once
/// \file TensorBoard event files: a sequence of records, each an `Event` message in the framing of TensorFlow's
/// TFRecord.
///
/// A record is its length (8 bytes, little-endian), the masked CRC-32C of those 8 bytes, the message, and the masked
/// CRC-32C of the message; masked is `rotate_right(crc, 15) + 0xa282ead8`
/// (https://www.tensorflow.org/tutorials/load_data/tfrecord).

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stampede {

/// The record that opens every event file.
std::string event_file_head(double wall_time);

/// A record with scalars, (tag, value) each, at one step.
std::string scalar_event(double wall_time, std::int64_t step,
                         const std::vector<std::pair<std::string, float>>& scalars);

/// How many bytes of an event file to keep: its leading records that are complete, undamaged and of steps up to
/// `last_step`. The first other record, and everything behind it, is left out.
std::size_t event_file_length(std::string_view bytes, std::int64_t last_step);

/// CRC-32C (Castagnoli), masked as TFRecord asks for.
std::uint32_t masked_crc32c(std::string_view bytes);

}  // namespace stampede
