#include "tests/support/hub/settings.h"

#include <stdexcept>

#include <nlohmann/json.hpp>

namespace castool::hub {
namespace {

// Calls visit(key, member) for every setting: the one list of them.
template <class Self, class Visit>
void for_each_setting(Self& self, Visit visit) {
  visit("page_size", self.page_size);
  visit("lfs_threshold", self.lfs_threshold);
  visit("regular_style", self.regular_style);
  visit("link_base", self.link_base);
  visit("tokens", self.tokens);
  visit("rate_limit_api", self.rate_limit_api);
  visit("rate_limit_resolvers", self.rate_limit_resolvers);
  visit("rate_limit_window", self.rate_limit_window);
  visit("enforce_rate_limits", self.enforce_rate_limits);
  visit("blob_style", self.blob_style);
  visit("registry_auth", self.registry_auth);
  visit("realm", self.realm);
  visit("token_seconds", self.token_seconds);
  visit("signature_seconds", self.signature_seconds);
  visit("latency_ms", self.latency_ms);
  visit("bytes_per_second", self.bytes_per_second);
  visit("max_connections", self.max_connections);
}

}  // namespace

void Settings::update(const nlohmann::json& values) {
  if (!values.is_object()) throw std::invalid_argument("settings are a JSON object");
  Settings next = *this;
  std::size_t known = 0;
  for_each_setting(next, [&](const char* key, auto& member) {
    const auto found = values.find(key);
    if (found == values.end()) return;
    ++known;
    try {
      found->get_to(member);
    } catch (const nlohmann::json::exception&) {
      throw std::invalid_argument(std::string("setting of the wrong type: ") + key);
    }
  });
  if (known != values.size()) {
    const nlohmann::json all = to_json();
    for (const auto& item : values.items()) {
      if (!all.contains(item.key())) throw std::invalid_argument("unknown setting: " + item.key());
    }
  }
  if (next.page_size == 0) throw std::invalid_argument("page_size must not be 0");
  *this = std::move(next);
}

nlohmann::json Settings::to_json() const {
  nlohmann::json values = nlohmann::json::object();
  for_each_setting(*this, [&](const char* key, const auto& member) { values[key] = member; });
  return values;
}

}  // namespace castool::hub
