#include "tools/help_text.h"

#include <algorithm>
#include <array>

namespace castool::tools {
namespace {

constexpr std::array<CommandHelp, 22> kCommands = {{
    {"pull", "Fetch models completely, verify them and give them a name",
     R"(SOURCE is one of
  org/name[@rev], hf://org/name[@rev]      a repository of the Hugging Face Hub
  model[:tag], ns/model:tag                a model of the Ollama registry
  host/ns/model:tag, http://host/ns/m:tag  a model of another registry
One slash and no colon is the Hub; --from decides otherwise.

What the store has already is not fetched again, whichever source brought it. An
interrupted pull is resumed by running it again. Several sources are pulled one
after the other; if one fails the others are still pulled, and the exit status is
that of the first failure. Patterns match the whole path and * crosses /.

ovms --pull ARGS is castool pull ARGS: the options of OVMS describe the model and are
kept with it. --model_repository_path is where a mount of castool shows it, or a plain
directory that gets a copy as OVMS would have left it.

With --lazy the name appears as soon as the small files and the headers of model
files are here; large files are fetched when a mount's readers want them.

Examples:
  castool pull OpenVINO/Qwen3-8B-int4-ov
  castool pull --lazy unsloth/Qwen3-8B-GGUF
  castool pull llama3.2:3b qwen3:8b
  castool pull --include '*.json' --include '*Q4_K_M*' unsloth/Qwen3-8B-GGUF
  castool pull --limit-rate 20M --revision refs/pr/1 acme/model
  castool pull --dry-run --json acme/model
  castool pull --source_model OpenVINO/Qwen3-8B-int4-ov --task text_generation
      --target_device GPU --model_repository_path /models
  castool pull --source_model Qwen/Qwen3-8B --weight-format int4    converted by optimum-cli)"},
    {"mount", "Show the models of the namespace as a directory",
     R"(Returns once DIR is readable; the mount follows pulls and removals by itself.
Layout ovms is a model repository with config.json for OpenVINO Model Server,
layout ollama is a directory for OLLAMA_MODELS (set OLLAMA_NOPRUNE=1 as well).
-o takes allow_other (the default for root), uid=N and gid=N, separated by commas.

Files that are not here yet (pull --lazy) are fetched as they are read. --fill says
what follows: nothing, the rest of each file that was read, or all models. With
--verify strict no byte of a file is given out before all of it was verified.

With --on-demand 'OpenVINO/*' (or 'library/*:*', 'hf.co/*/*:*') a model that is not
here is asked for at its origin as soon as somebody looks for its directory, and its
files are there at once. Listing a directory asks for nothing.

With --listen or --socket-listen the HTTP API is served as well (castool serve --help).

With --replace this castool and these options take over a mount that is there, such
as after an upgrade: files that are open stay open, reads that wait go on, and the old
daemon ends. If this one cannot start the old one goes on.

Examples:
  castool mount /models
  castool mount --replace /models
  castool mount --layout ollama ~/ollama-models
  castool mount -f -o uid=5000,gid=5000 /models)"},
    {"umount", "End a mount",
     R"(Examples:
  castool umount /models
  castool umount --lazy /models     even while files are open)"},
    {"serve", "Serve the HTTP API of Ollama for the models of the namespace",
     R"(Clients of Ollama can pull, list, show and remove models: OLLAMA_HOST=127.0.0.1:11435.
A model is fetched once however many ask for it at the same time. Nothing is run.

It listens on 127.0.0.1:11435 unless an address or a socket is given. Callers may name
registry.ollama.ai, hf.co and huggingface.co, and what --allow-registry adds, which may
then also be at a private address or, with "insecure", without TLS.

With --registry other hosts can pull from here what this store has: Ollama's registry
protocol below /v2/, and for HF_ENDPOINT repositories, their files and contents.

Examples:
  castool serve
  castool serve --socket-listen /run/castool.sock --socket-mode 660 --socket-group ml
  castool serve --registry --listen 10.0.0.5:11435
  castool serve --listen 0.0.0.0:11435 --auth-token-file /etc/castool/token
  curl http://127.0.0.1:11435/api/pull -d '{"model":"llama3.2:3b"}')"},
    {"ls", "List the models",
     R"(Examples:
  castool ls
  castool ls --json --all-namespaces)"},
    {"show", "Show models in full: files, digests, sizes, states, place in the views",
     R"(Examples:
  castool show OpenVINO/Qwen3-8B-int4-ov
  castool show --json llama3.2:3b)"},
    {"rm", "Remove models from the namespace",
     R"(Only the name goes at once; what no other name needs is deleted by the next gc.

Examples:
  castool rm llama3.2:3b
  castool rm acme/one acme/two)"},
    {"update", "Pull again what the models came from",
     R"(Without names: all models of the namespace. Each is asked for at its origin under the
revision that it was pulled by; only what changed is fetched. What readers complete
(pull --lazy) stays so, and so do --include and --exclude.

Examples:
  castool update
  castool update --dry-run
  castool update OpenVINO/Qwen3-8B-int4-ov)"},
    {"cp", "Give a model a second name",
     R"(Nothing is copied: both names have the same files, until one of them is pulled again.

Examples:
  castool cp llama3.2:3b chat:stable)"},
    {"pin", "Keep models from being evicted",
     R"(gc --max-size never removes a pinned model. castool rm does.

Examples:
  castool pin OpenVINO/Qwen3-8B-int4-ov)"},
    {"unpin", "Allow models to be evicted again",
     R"(Examples:
  castool unpin OpenVINO/Qwen3-8B-int4-ov)"},
    {"gc", "Delete what no model needs",
     R"(A file goes when no model of any namespace has it, no running pull needs it and nobody
has it open. Unfinished pulls are kept for 7 days after their last write, or as long as
a model is completed from them; --partials deletes the former at once.

With --max-size models are removed, too, until the rest fits: those that were not used
for the longest time first, and none that is pinned or being read.

Examples:
  castool gc --dry-run
  castool gc --max-size 500G
  castool gc --partials)"},
    {"import", "Bring models that are on this machine already into the store",
     R"(PATH is a directory (everything in it becomes one model), a GGUF file, an OVMS repository
with config.json, a directory of Ollama (~/.ollama/models) or a Hub cache
(~/.cache/huggingface/hub); the last three bring their own names. Nothing is fetched and
PATH is not changed. Files become references where the file system can, copies elsewhere.
Where a tree says what a file hashes to, that is checked.

Examples:
  castool import ~/.ollama/models
  castool import ./my-model acme/my-model
  castool import model-Q4_K_M.gguf)"},
    {"quota", "Show or set how much a namespace may hold",
     R"(A file that several namespaces have counts for each of them. A pull or import that
would bring a namespace above its quota is refused (73); what readers complete (--lazy)
counts as it arrives and is not refused. SIZE none takes the limit away.

Examples:
  castool quota
  castool quota team-a 200G
  castool quota team-a none)"},
    {"fsck", "Read the store again and compare it with its digests",
     R"(Every file is held against its sha256 (with --quick against its checksums), every model
against what it needs. What is wrong goes to the store's quarantine, from where nothing
is read; the next pull, or a mount's reader, fetches it again. With --repair that is
done at once, and only chunks that are bad are fetched. The exit status is 65 when
damage remains.

Examples:
  castool fsck
  castool fsck --repair acme/model
  castool fsck --subset 1/7           a seventh; 2/7 tomorrow
  castool fsck --quick --dry-run)"},
    {"df", "Tell how much space the store takes and saves",
     R"(logical  what all models of all namespaces add up to
stored   what their blobs take, each stored once
saved    the difference
partial  unfinished pulls
free     left on the file system

Examples:
  castool df
  castool df --json)"},
    {"set", "Change a model's options of OVMS without a pull",
     R"(A mount shows the new graph.pbtxt and config.json at once. An empty value takes an
option back to OVMS's default. What names other repositories (--draft_source_model,
--source_loras) is brought by castool pull with the same option.

Examples:
  castool set OpenVINO/Qwen3-8B-int4-ov --target_device GPU --max_num_seqs 64
  castool set llama3.2:3b --tool_parser llama3 --model_name chat
  castool set acme/model --target_device '')"},
    {"export", "Write a model out as plain files",
     R"(Layout plain is the model's own files; ovms, ollama and hf are what a mount of that layout
would show, with this model alone. The directory appears whole or not at all. Blocks
are shared with the store where the file system can do that.

Examples:
  castool export acme/model /data/model
  castool export --layout ovms OpenVINO/Qwen3-8B-int4-ov /data/models
  castool export --link symlink acme/model /data/model)"},
    {"list-models", "List what OVMS could serve from a directory, as ovms --list_models",
     R"(Examples:
  castool list-models --model_repository_path /models)"},
    {"add-to-config", "Add a model to OVMS's config.json, as ovms --add_to_config",
     R"(A mount of castool has a config.json of its own and needs none.

Examples:
  castool add-to-config --config_path /srv/config.json --model_name x --model_path /models/acme/x)"},
    {"remove-from-config", "Remove a model from OVMS's config.json",
     R"(Examples:
  castool remove-from-config --config_path /srv/config.json --model_name x)"},
    {"status", "Show transfers that are under way, in any process",
     R"(Examples:
  castool status
  watch castool status)"},
}};

}  // namespace

const CommandHelp& command_help(std::string_view name) {
  static constexpr CommandHelp kNone = {};
  const auto found = std::find_if(kCommands.begin(), kCommands.end(),
                                  [&](const CommandHelp& help) { return help.name == name; });
  return found == kCommands.end() ? kNone : *found;
}

std::string_view program_summary() {
  return "A store for models: pulled once, verified, kept once, and mounted as OVMS and Ollama\n"
         "read them.";
}

std::string_view program_footer() {
  return R"(The options above stand before or after the command; castool COMMAND --help tells more.

Examples:
  castool pull OpenVINO/Qwen3-8B-int4-ov
  castool mount /models
  ovms --config_path /models/config.json --rest_port 8000

Environment:
  CASTOOL_STORE, CASTOOL_NAMESPACE  defaults of --store and --namespace
  CASTOOL_SOCKET                    default of --socket
  HF_TOKEN, HF_TOKEN_PATH, HF_HOME  the Hub's token: itself, its file, the file's directory
  HF_ENDPOINT, HF_HUB_OFFLINE       another Hub; 1: ask no origin for anything
  CASTOOL_OLLAMA_REGISTRY           another default registry
  OVMS_MODEL_REPOSITORY_PATH        default of --model_repository_path with OVMS's options
  https_proxy, no_proxy, SSL_CERT_FILE, SSL_CERT_DIR

Exit status:
    0  done
   64  wrong usage, a bad name or option
   65  bytes that do not match their digest, a bad manifest
   66  not found: no such model, revision or name
   69  the origin cannot be reached, gave up or asks to come back later
   73  no space, over quota, or the store cannot be used
   74  local input or output error
   75  busy: something is mounted there, or it is in use
   77  not authorised: bad token, gated, disabled
  130  interrupted; what was fetched is kept
    1  anything else)";
}

}  // namespace castool::tools
