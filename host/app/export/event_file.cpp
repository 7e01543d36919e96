/// \file TensorBoard event files.
#include "host/app/export/event_file.hpp"

#include <boost/crc.hpp>
#include <cstring>

#include "host/app/export/tensorboard.pb.h"

namespace stampede {
namespace {

std::string record(const tensorboard::Event& event) {
  const std::string message = event.SerializeAsString();
  const std::uint64_t length = message.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  const auto append_crc = [&bytes](std::string_view of) {
    const std::uint32_t crc = masked_crc32c(of);
    bytes.append(reinterpret_cast<const char*>(&crc), 4);
  };
  append_crc(std::string(bytes));
  bytes += message;
  append_crc(message);
  return bytes;
}

std::uint32_t read_u32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + at, 4);
  return value;
}

}  // namespace

std::uint32_t masked_crc32c(std::string_view bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(bytes.data(), bytes.size());
  const std::uint32_t value = crc.checksum();
  return ((value >> 15) | (value << 17)) + 0xa282ead8u;
}

std::string event_file_head(double wall_time) {
  tensorboard::Event event;
  event.set_wall_time(wall_time);
  event.set_file_version("brain.Event:2");
  return record(event);
}

std::string scalar_event(double wall_time, std::int64_t step,
                         const std::vector<std::pair<std::string, float>>& scalars) {
  tensorboard::Event event;
  event.set_wall_time(wall_time);
  event.set_step(step);
  for (const auto& [tag, value] : scalars) {
    tensorboard::Summary::Value* entry = event.mutable_summary()->add_value();
    entry->set_tag(tag);
    entry->set_simple_value(value);
  }
  return record(event);
}

std::size_t event_file_length(std::string_view bytes, std::int64_t last_step) {
  std::size_t at = 0;
  while (bytes.size() - at >= 16) {
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data() + at, 8);
    if (read_u32(bytes, at + 8) != masked_crc32c(bytes.substr(at, 8)) || length > bytes.size() - at - 16) break;
    const std::string_view message = bytes.substr(at + 12, length);
    tensorboard::Event event;
    if (read_u32(bytes, at + 12 + length) != masked_crc32c(message) ||
        !event.ParseFromArray(message.data(), static_cast<int>(message.size())) || event.step() > last_step) {
      break;
    }
    at += 16 + length;
  }
  return at;
}

}  // namespace stampede
