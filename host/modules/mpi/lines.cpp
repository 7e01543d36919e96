/// \file Lines between rank 0 and each other rank.
#include "host/modules/mpi/lines.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <random>

#include "host/base/clock.hpp"

namespace stampede {
namespace {

constexpr int kSecondsToConnect = 3;

/// What a rank says first on its line.
struct Greeting {
  std::uint64_t token;
  std::int64_t rank;
};
/// What comes before a message's text.
struct Header {
  std::int32_t status, length;
};
constexpr std::int32_t kLongest = 1 << 16;  ///< of a message

bool send_all(int descriptor, const void* data, std::size_t bytes) {
  const auto* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t sent = ::send(descriptor, at, bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    at += sent;
    bytes -= static_cast<std::size_t>(sent);
  }
  return true;
}

/// poll(), gone on with where a signal interrupted it.
int wait_for(pollfd* descriptors, std::size_t count, int milliseconds) {
  int ready;
  do {
    ready = ::poll(descriptors, count, milliseconds);
  } while (ready < 0 && errno == EINTR);
  return ready;
}

/// Whether there is something to read within the time.
bool readable(int descriptor, int milliseconds) {
  pollfd one{descriptor, POLLIN, 0};
  return wait_for(&one, 1, milliseconds) > 0;
}

bool receive_all(int descriptor, void* data, std::size_t bytes) {
  auto* at = static_cast<char*>(data);
  while (bytes > 0) {
    if (!readable(descriptor, 1000 * kSecondsToConnect)) return false;
    const ssize_t got = ::recv(descriptor, at, bytes, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    bytes -= static_cast<std::size_t>(got);
  }
  return true;
}

/// Lets the system find out within about 20 s that the other machine is gone.
void keep_alive(int descriptor) {
  const auto set = [descriptor](int level, int name, int value) {
    ::setsockopt(descriptor, level, name, &value, sizeof value);
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 5);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_NODELAY, 1);
}

int new_socket() { return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }

sockaddr_in address_of(std::uint32_t address, std::uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = address;
  to.sin_port = htons(port);
  return to;
}

}  // namespace

Lines::~Lines() { close_all(); }

void Lines::close_all() {
  for (const Line& line : lines_) ::close(line.descriptor);
  lines_.clear();
  if (port_ >= 0) ::close(port_);
  port_ = -1;
}

Meeting Lines::open(bool one_machine) {
  Meeting meeting;
  port_ = new_socket();
  const sockaddr_in here = address_of(htonl(one_machine ? INADDR_LOOPBACK : INADDR_ANY), 0);
  sockaddr_in bound{};
  socklen_t size = sizeof bound;
  if (port_ < 0 || ::bind(port_, reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0 ||
      ::listen(port_, 128) != 0 || ::getsockname(port_, reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return meeting;
  }
  std::random_device device;
  meeting.token = std::uint64_t{device()} << 32 | device();
  meeting.port = ntohs(bound.sin_port);
  if (one_machine) {
    meeting.address[0] = htonl(INADDR_LOOPBACK);
    return meeting;
  }
  ifaddrs* interfaces = nullptr;
  int found = 0;
  if (::getifaddrs(&interfaces) == 0) {
    for (const ifaddrs* one = interfaces; one != nullptr && found < Meeting::kMostAddresses; one = one->ifa_next) {
      const bool usable = one->ifa_addr != nullptr && one->ifa_addr->sa_family == AF_INET &&
                          (one->ifa_flags & IFF_UP) != 0 && (one->ifa_flags & IFF_LOOPBACK) == 0;
      if (usable) meeting.address[found++] = reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr.s_addr;
    }
    ::freeifaddrs(interfaces);
  }
  return meeting;
}

bool Lines::connect(const Rank& rank, const Meeting& meeting) {
  for (const std::uint32_t address : meeting.address) {
    if (address == 0 || meeting.port == 0) break;
    const int descriptor = new_socket();
    if (descriptor < 0) return false;
    const timeval limit{kSecondsToConnect, 0};
    ::setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);  // of connect() too
    const sockaddr_in to = address_of(address, meeting.port);
    const Greeting greeting{meeting.token, rank.index};
    if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 &&
        send_all(descriptor, &greeting, sizeof greeting)) {
      keep_alive(descriptor);
      lines_.push_back({0, descriptor});
      return true;
    }
    ::close(descriptor);
  }
  return false;
}

int Lines::accept(const Rank& rank, const Meeting& meeting, double seconds) {
  const double end = seconds_now() + seconds;
  while (port_ >= 0 && static_cast<int>(lines_.size()) < rank.world_size - 1) {
    const double left = end - seconds_now();
    if (left <= 0) break;
    if (!readable(port_, static_cast<int>(1000 * left) + 1)) continue;
    const int descriptor = ::accept4(port_, nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor < 0) continue;
    Greeting greeting{};
    const bool known = receive_all(descriptor, &greeting, sizeof greeting) && greeting.token == meeting.token &&
                       greeting.rank > 0 && greeting.rank < rank.world_size;
    if (!known) {
      ::close(descriptor);
      continue;
    }
    keep_alive(descriptor);
    lines_.push_back({static_cast<int>(greeting.rank), descriptor});
  }
  if (port_ >= 0) ::close(port_);
  port_ = -1;
  std::sort(lines_.begin(), lines_.end(), [](const Line& a, const Line& b) { return a.rank < b.rank; });
  return static_cast<int>(lines_.size());
}

std::optional<Ending> Lines::listen(int milliseconds) {
  if (lines_.empty()) return {};
  std::vector<pollfd> all;
  for (const Line& line : lines_) all.push_back({line.descriptor, POLLIN, 0});
  if (wait_for(all.data(), all.size(), milliseconds) <= 0) return {};
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].revents == 0) continue;
    const Line line = lines_[i];
    Ending ending{line.rank, true, Status::kFailed, ""};
    Header header{};
    if (receive_all(line.descriptor, &header, sizeof header) && header.length >= 0 && header.length <= kLongest) {
      ending.message.resize(static_cast<std::size_t>(header.length));
      ending.gone = !receive_all(line.descriptor, ending.message.data(), ending.message.size());
      ending.status = static_cast<Status>(header.status);
    }
    if (ending.gone) {  // else it waits for an answer
      ::close(line.descriptor);
      lines_.erase(lines_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    return ending;
  }
  return {};
}

void Lines::tell(Status status, const std::string& message) {
  const std::string text = message.substr(0, kLongest);
  const Header header{static_cast<std::int32_t>(status), static_cast<std::int32_t>(text.size())};
  for (const Line& line : lines_) {
    // Whoever is gone does not listen.
    if (send_all(line.descriptor, &header, sizeof header)) send_all(line.descriptor, text.data(), text.size());
  }
}

}  // namespace stampede
