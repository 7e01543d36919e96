/// \file Named arrays in the safetensors format.
#include "host/app/export/safetensors.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "host/base/error.hpp"

namespace stampede {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxHeader = 100u << 20;  // the format's own bound

const char* name_of(Tensor::Type type) {
  switch (type) {
    case Tensor::Type::kF32:
      return "F32";
    case Tensor::Type::kU32:
      return "U32";
    case Tensor::Type::kI64:
      return "I64";
  }
  return "";
}

/// One entry of the header, checked. `begin` and `end` are relative to the end of the header.
struct Entry {
  Tensor tensor;
  std::uint64_t begin = 0, end = 0;
};

Entry parse_entry(const std::string& key, const Json& json, const std::string& file) {
  Entry entry;
  entry.tensor.name = key;
  const std::string dtype = json.at("dtype").get<std::string>();
  if (dtype == "F32") {
    entry.tensor.type = Tensor::Type::kF32;
  } else if (dtype == "U32") {
    entry.tensor.type = Tensor::Type::kU32;
  } else if (dtype == "I64") {
    entry.tensor.type = Tensor::Type::kI64;
  } else {
    throw Error(file + ": the tensor '" + key + "' is of type " + dtype + "; only F32, U32 and I64 are read");
  }
  std::uint64_t size = Tensor::size_of(entry.tensor.type);
  for (const Json& extent : json.at("shape")) {
    const auto length = extent.get<std::int64_t>();
    if (length < 0 || length > (std::int64_t{1} << 40))
      throw Error(file + ": the tensor '" + key + "' has no valid shape");
    if (length > 0 && size > (std::uint64_t{1} << 50) / static_cast<std::uint64_t>(length)) {
      throw Error(file + ": the tensor '" + key + "' is larger than any file");
    }
    size *= static_cast<std::uint64_t>(length);
    entry.tensor.shape.push_back(length);
  }
  const Json& offsets = json.at("data_offsets");
  entry.begin = offsets.at(0).get<std::uint64_t>();
  entry.end = offsets.at(1).get<std::uint64_t>();
  if (offsets.size() != 2 || entry.end < entry.begin || entry.end - entry.begin != size) {
    throw Error(file + ": the tensor '" + key + "' has a shape that does not match its bytes");
  }
  return entry;
}

}  // namespace

const Tensor* SafetensorsFile::find(std::string_view name) const {
  for (const Tensor& tensor : tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

std::string to_safetensors(const std::vector<Tensor>& tensors, const std::map<std::string, std::string>& metadata,
                           bool checksum) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::size_t offset = 0;
  const auto describe = [&](const std::string& name, Tensor::Type type, const std::vector<std::int64_t>& shape,
                            std::size_t size) {
    header[name] = {{"dtype", name_of(type)}, {"shape", shape}, {"data_offsets", {offset, offset + size}}};
    offset += size;
  };
  for (const Tensor& tensor : tensors) describe(tensor.name, tensor.type, tensor.shape, tensor.bytes.size());
  if (checksum) describe("checksum", Tensor::Type::kU32, {1}, 4);

  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // arrays start at a multiple of 8 bytes
  std::string bytes(8, '\0');
  const std::uint64_t length = text.size();
  std::memcpy(bytes.data(), &length, 8);
  bytes.reserve(8 + text.size() + offset);
  bytes += text;
  for (const Tensor& tensor : tensors) {
    bytes.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
  }
  if (checksum) {
    const std::uint32_t crc = checksum_of(bytes);
    bytes.append(reinterpret_cast<const char*>(&crc), 4);
  }
  return bytes;
}

SafetensorsFile parse_safetensors(std::string_view bytes, const std::string& name) {
  std::uint64_t length = 0;
  if (bytes.size() >= 8) std::memcpy(&length, bytes.data(), 8);
  if (bytes.size() < 8 || length > kMaxHeader || length > bytes.size() - 8) {
    throw Error(name + ": is not a safetensors file, or a truncated one");
  }
  SafetensorsFile file;
  std::vector<Entry> entries;
  try {
    const Json header = Json::parse(bytes.substr(8, length));
    if (!header.is_object()) throw Error(name + ": is not a safetensors file; its header is no JSON object");
    for (const auto& [key, value] : header.items()) {
      if (key == "__metadata__") {
        for (const auto& [word, text] : value.items()) file.metadata[word] = text.get<std::string>();
      } else {
        entries.push_back(parse_entry(key, value, name));
      }
    }
  } catch (const Json::exception&) {
    throw Error(name + ": is not a safetensors file; its header is not what the format asks for");
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  const std::string_view data = bytes.substr(8 + length);
  std::uint64_t at = 0;
  for (Entry& entry : entries) {
    if (entry.begin != at || entry.end > data.size()) {
      throw Error(name + ": is truncated or damaged; the tensor '" + entry.tensor.name + "' lies outside the file");
    }
    at = entry.end;
    entry.tensor.bytes.assign(data.begin() + static_cast<std::ptrdiff_t>(entry.begin),
                              data.begin() + static_cast<std::ptrdiff_t>(entry.end));
    file.tensors.push_back(std::move(entry.tensor));
  }
  if (at != data.size()) throw Error(name + ": is damaged; it is longer than its tensors");
  return file;
}

std::uint32_t checksum_of(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<z_size_t>(bytes.size())));
}

bool checksum_holds(std::string_view bytes) {
  if (bytes.size() < 12) return false;
  std::uint32_t crc = 0;
  std::memcpy(&crc, bytes.data() + bytes.size() - 4, 4);
  return crc == checksum_of(bytes.substr(0, bytes.size() - 4));
}

}  // namespace stampede
