#include "tools/settings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace castool::tools {
namespace {

using base::Code;
using base::make_error;
using base::Result;

Result<std::string> default_store(const Variables& variables, User user) {
  if (user == User::kRoot) return std::string("/var/lib/castool");
  // The base directory specification says that a relative XDG_DATA_HOME is to be ignored.
  const std::string data_home = variable(variables, "XDG_DATA_HOME");
  if (data_home.starts_with('/')) return data_home + "/castool";
  const std::string home = variable(variables, "HOME");
  if (home.starts_with('/')) return home + "/.local/share/castool";
  return make_error(Code::kUsage, "no place for a store: HOME is not set", "give --store DIR");
}

bool is_namespace(std::string_view ns) {
  constexpr std::string_view kFirst =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
  const auto allowed = [&](char c) {
    return kFirst.find(c) != std::string_view::npos || c == '.' || c == '-';
  };
  return !ns.empty() && kFirst.find(ns.front()) != std::string_view::npos &&
         std::all_of(ns.begin(), ns.end(), allowed);
}

Result<double> time_scale(const Variables& variables) {
  const std::string text = variable(variables, "CASTOOL_TIME_SCALE");
  if (text.empty()) return 1.0;
  double scale = 0;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), scale);
  if (failure != std::errc{} || stop != text.data() + text.size() || !std::isfinite(scale) ||
      scale <= 0) {
    return make_error(Code::kUsage,
                      fmt::format("CASTOOL_TIME_SCALE={}: not a positive number", text));
  }
  return scale;
}

}  // namespace

Variables read_variables(const char* const* environment) {
  Variables variables;
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view entry(*environment);
    const std::size_t equals = entry.find('=');
    if (equals == std::string_view::npos) continue;
    // getenv(3) gives the first of several entries of one name; so does emplace.
    variables.emplace(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return variables;
}

std::string variable(const Variables& variables, const std::string& name) {
  const auto found = variables.find(name);
  return found == variables.end() ? std::string() : found->second;
}

Result<Settings> read_settings(const GlobalArguments& arguments, const Variables& variables,
                               User user) {
  Settings settings;
  settings.store = arguments.store.value_or(variable(variables, "CASTOOL_STORE"));
  if (arguments.store && arguments.store->empty()) {
    return make_error(Code::kUsage, "--store: the name of a directory is missing");
  }
  if (settings.store.empty()) {
    CASTOOL_ASSIGN(settings.store, default_store(variables, user));
  }
  settings.ns = arguments.ns.value_or(variable(variables, "CASTOOL_NAMESPACE"));
  if (settings.ns.empty() && !arguments.ns) settings.ns = "default";
  if (!is_namespace(settings.ns)) {
    return make_error(Code::kUsage, fmt::format("\"{}\" cannot be a namespace", settings.ns),
                      "use letters, digits, '.', '_' and '-', and start with a letter or digit");
  }
  settings.socket = arguments.socket.value_or(variable(variables, "CASTOOL_SOCKET"));
  settings.timeout = arguments.timeout.value_or(settings.timeout);
  CASTOOL_ASSIGN(settings.time_scale, time_scale(variables));
  settings.json = arguments.json;
  settings.quiet = arguments.quiet;
  settings.verbose = arguments.verbose;
  settings.progress = !arguments.no_progress && !arguments.quiet;
  settings.ca_file = variable(variables, "SSL_CERT_FILE");
  settings.ca_directory = variable(variables, "SSL_CERT_DIR");
  return settings;
}

Result<pull::Origins> read_origins(const Variables& variables) {
  pull::Origins origins;
  if (const auto text = variable(variables, "HF_ENDPOINT"); !text.empty()) {
    CASTOOL_ASSIGN(origins.hub_endpoint, parse_endpoint("HF_ENDPOINT", text));
  }
  if (const auto text = variable(variables, "CASTOOL_OLLAMA_REGISTRY"); !text.empty()) {
    CASTOOL_ASSIGN(origins.ollama_registry, parse_endpoint("CASTOOL_OLLAMA_REGISTRY", text));
  }
  origins.offline = is_switched_on(variable(variables, "HF_HUB_OFFLINE"));
  if (const auto home = variable(variables, "HOME"); !home.empty()) {
    origins.ollama_key_path = home + "/.ollama/id_ed25519";
  }
  return origins;
}

Result<std::string> parse_endpoint(std::string_view name, std::string_view text) {
  std::string endpoint(text);
  if (endpoint.find("://") == std::string::npos) endpoint.insert(0, "https://");
  const std::size_t host = endpoint.find("://") + 3;
  while (endpoint.size() > host && endpoint.ends_with('/')) endpoint.pop_back();
  const std::string_view scheme = std::string_view(endpoint).substr(0, host - 3);
  const std::string_view rest = std::string_view(endpoint).substr(scheme.size() + 3);
  // A user name in the address would be a secret that every message repeats.
  const bool plain = rest.find_first_of("@?# \t\r\n") == std::string_view::npos;
  if ((scheme != "https" && scheme != "http") || rest.empty() || rest.front() == '/' || !plain) {
    return make_error(Code::kUsage, fmt::format("{}: not the address of an origin", name),
                      "write it like https://host or http://host:port/path");
  }
  return endpoint;
}

bool is_switched_on(std::string_view value) {
  std::string upper;
  for (const char c : value) {
    upper += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  constexpr std::array<std::string_view, 4> kOn = {"1", "ON", "YES", "TRUE"};
  return std::find(kOn.begin(), kOn.end(), upper) != kOn.end();
}

}  // namespace castool::tools
