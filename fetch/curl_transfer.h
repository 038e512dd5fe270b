// One transfer of the curl transport: its easy handle, the callbacks, and what curl's result means.
// Lives on the transport's loop thread; only the constructor may run elsewhere.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "fetch/curl_transport.h"
#include "fetch/dead_addresses.h"
#include "fetch/http.h"

struct curl_slist;
struct curl_sockaddr;

namespace castool::fetch {

// Whether some proxy may stand between us and a host; then peer addresses are the proxy's.
enum class Proxied { kNo, kMaybe };

class CurlTransfer {
 public:
  static constexpr std::size_t kMaxHeadBytes = 64 * 1024;

  CurlTransfer(TransferId id, HttpRequest request, std::shared_ptr<ResponseListener> listener,
               const CurlConfig& config, Proxied proxied, DeadAddresses& dead, base::Clock& clock);
  ~CurlTransfer();
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;

  [[nodiscard]] TransferId id() const { return id_; }
  [[nodiscard]] const std::string& url() const { return request_.url; }
  // The easy handle, as the CURL* that it is; nullptr when libcurl could not make one.
  [[nodiscard]] void* handle() const { return handle_; }

  // Unpauses; false when libcurl refuses.
  [[nodiscard]] bool resume();
  // When the transfer has stalled unless something arrives; nullopt while paused.
  [[nodiscard]] std::optional<base::Clock::Monotonic> stall_deadline() const;

  // Whether it failed only because every address of its name was one to be left out. They no longer
  // are: the handle can be given to libcurl again.
  [[nodiscard]] bool takes_back_addresses(int curl_code);

  // Tells the listener how it ended. `curl_code` is the CURLcode.
  void finish_with_code(int curl_code);
  void finish(TransferEnd end, std::string detail);

 private:
  static std::size_t on_header_line(char* data, std::size_t size, std::size_t count,
                                    void* self) noexcept;
  static std::size_t on_body_bytes(char* data, std::size_t size, std::size_t count,
                                   void* self) noexcept;
  static int on_ready_to_send(void* self, char* peer, char* local, int peer_port,
                              int local_port) noexcept;
  static int on_open_socket(void* self, int purpose, curl_sockaddr* address) noexcept;

  void learn(ConnectOutcome outcome, const PeerAddress& connected);
  void configure(const CurlConfig& config);
  void configure_request();
  // These return false when the transfer has to end; end_with() said why.
  [[nodiscard]] bool take_header_line(std::string_view line);
  [[nodiscard]] bool take_field(std::string_view line);
  [[nodiscard]] bool end_head();
  void begin_head(std::string_view status_line);
  bool end_with(TransferEnd end, std::string why);
  void touch() { last_activity_ = clock_.now(); }

  const TransferId id_;
  HttpRequest request_;
  std::shared_ptr<ResponseListener> listener_;
  const Proxied proxied_;
  DeadAddresses& dead_;
  base::Clock& clock_;
  void* handle_ = nullptr;
  curl_slist* header_list_ = nullptr;
  curl_slist* connect_to_ = nullptr;
  std::array<char, 256>
      error_text_{};  // CURL_ERROR_SIZE; libcurl writes here until the handle goes
  ResponseHead head_;
  std::size_t head_bytes_ = 0;
  std::uint64_t body_bytes_ = 0;
  bool head_done_ = false;
  bool paused_ = false;
  base::Clock::Monotonic last_activity_;
  std::vector<PeerAddress> tried_;     // for the connection of this transfer, in order
  std::vector<std::string> left_out_;  // known to be dead
  // Set by a callback that ends the transfer; goes before what curl makes of it.
  std::optional<TransferEnd> ended_by_us_;
  std::string end_detail_;
};

}  // namespace castool::fetch
