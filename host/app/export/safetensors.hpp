#pragma once
/// \file Named arrays in the safetensors format (https://huggingface.co/docs/safetensors): 8 bytes with the header's
/// length, a JSON header (name -> dtype, shape, offsets; `__metadata__`: strings), and the arrays, one after the other.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "host/engine/engine.hpp"

namespace stampede {

/// What a file holds.
struct SafetensorsFile {
  std::vector<Tensor> tensors;  ///< in the order in which they lie in the file
  std::map<std::string, std::string> metadata;

  /// The tensor of that name, or null.
  const Tensor* find(std::string_view name) const;
};

/// The file's bytes. With `checksum`, a last tensor of that name, U32 [1], holds the CRC-32 (zlib's) of every byte of
/// the file before it.
std::string to_safetensors(const std::vector<Tensor>& tensors, const std::map<std::string, std::string>& metadata,
                           bool checksum = false);

/// Reads and checks a file's bytes. Throws Error, which calls the file `name`, where they are not safetensors.
SafetensorsFile parse_safetensors(std::string_view bytes, const std::string& name);

/// CRC-32 (zlib's).
std::uint32_t checksum_of(std::string_view bytes);

/// Whether the last four bytes are the checksum of the bytes before them.
bool checksum_holds(std::string_view bytes);

}  // namespace stampede
