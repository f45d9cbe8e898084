//! Formats that are known.

use std::sync::Arc;

use anyhow::Result;

use super::{Format, How, compile, json::Json, w3c::W3c};

/// A format that is known.
#[derive(Debug)]
pub struct Preset {
    /// What it is called.
    pub name: &'static str,
    text: Text,
}

#[derive(Debug)]
enum Text {
    /// In nginx's form; what is not known there is skipped.
    Nginx(&'static str),
    Json(&'static str),
    W3c,
}

/// All of them. The first that fits is taken, so what says more stands before what says less.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "combined",
        text: Text::Nginx(
            r#"$remote_addr $ident $user [$time_local] "$request" $status $bytes_sent "$referer" "$http_user_agent""#,
        ),
    },
    Preset {
        name: "vhost_combined",
        text: Text::Nginx(
            r#"$host $remote_addr $ident $user [$time_local] "$request" $status $bytes_sent "$referer" "$http_user_agent""#,
        ),
    },
    Preset {
        name: "combined_without_user",
        text: Text::Nginx(
            r#"$remote_addr - [$time_local] "$request" $status $bytes_sent "$referer" "$http_user_agent""#,
        ),
    },
    Preset {
        name: "common",
        text: Text::Nginx(r#"$remote_addr $ident $user [$time_local] "$request" $status $bytes_sent"#),
    },
    Preset {
        name: "vhost_common",
        text: Text::Nginx(r#"$host $remote_addr $ident $user [$time_local] "$request" $status $bytes_sent"#),
    },
    Preset {
        name: "npm",
        text: Text::Nginx(
            r#"[$time_local] $cache $upstream_status $status - $request_method $scheme $host "$request_uri" [Client $remote_addr] [Length $bytes_sent] [Gzip $gzip]$sent"$http_user_agent" "$referer""#,
        ),
    },
    Preset {
        name: "npm_fallback",
        text: Text::Nginx(
            r#"[$time_local] $status - $request_method $scheme $host "$request_uri" [Client $remote_addr] [Length $bytes_sent] [Gzip $gzip]$sent"$http_user_agent" "$referer""#,
        ),
    },
    Preset {
        name: "npmplus",
        text: Text::Nginx(
            r#"[$time_local] $host $remote_addr $request_time "$request" $status $body_bytes_sent $sent $referer $http_user_agent"#,
        ),
    },
    Preset {
        name: "haproxy",
        text: Text::Nginx(
            r#"$head haproxy[$pid]: $remote_addr [$time_local] $frontend $backend $timers $status $bytes_sent $cookies "$request""#,
        ),
    },
    Preset {
        name: "haproxy_bare",
        text: Text::Nginx(
            r#"$remote_addr [$time_local] $frontend $backend $timers $status $bytes_sent $cookies "$request""#,
        ),
    },
    Preset {
        name: "zoraxy",
        text: Text::Nginx(
            "$day $clock [$time_iso8601] [router:$router] [origin:$host] [client: $remote_addr] [useragent: $http_user_agent] $request_method $request_uri $status",
        ),
    },
    // Load balancers of Amazon. Of an IPv6 address nobody could tell where its port begins.
    Preset {
        name: "alb",
        text: Text::Nginx(
            r#"$type $time $balancer $remote_addr:$port $target $waited $worked $answered $status $its_status $bytes_received $bytes_sent "$request_method $request_uri $protocol" "$http_user_agent""#,
        ),
    },
    Preset {
        name: "cloudfront",
        text: Text::Nginx(
            "$date\t$time\t$edge\t$bytes_sent\t$remote_addr\t$request_method\t$host\t$uri\t$status\t$referer\t$http_user_agent\t$args\t$cookie",
        ),
    },
    Preset {
        name: "caddy",
        text: Text::Json(
            r"peer=request.remote_ip,peer=request.remote_addr,client=request.client_ip,forwarded=request.headers.X-Forwarded-For,time=ts,method=request.method,path=request.uri,status=status,bytes=size,agent=request.headers.User-Agent",
        ),
    },
    Preset {
        name: "traefik",
        text: Text::Json(
            "peer=ClientAddr,client=ClientHost,forwarded=request_X-Forwarded-For,time=StartUTC,method=RequestMethod,path=RequestPath,status=DownstreamStatus,bytes=DownstreamContentSize,agent=request_User-Agent",
        ),
    },
    Preset {
        name: "envoy",
        text: Text::Json(
            "peer=downstream_remote_address,peer=downstream_direct_remote_address,forwarded=x-forwarded-for,forwarded=x_forwarded_for,time=start_time,method=method,\
             path=x-envoy-origin-path,path=x-envoy-original-path,path=path,status=response_code,bytes=bytes_sent,agent=user-agent,agent=user_agent",
        ),
    },
    Preset {
        name: "json",
        text: Text::Json(
            "peer=remote_addr,peer=remote_ip,peer=client_ip,peer=clientip,peer=remoteip,peer=remote_host,peer=remoteIP,client=proxy_protocol_addr,forwarded=http_x_forwarded_for,\
             forwarded=x_forwarded_for,time=time_iso8601,time=time_local,time=timestamp,time=@timestamp,time=time,time=ts,time=msec,request=request,method=request_method,\
             method=method,path=request_uri,path=uri,path=path,path=url,query=args,status=status,status=status_code,status=response,bytes=body_bytes_sent,\
             bytes=bytes_sent,bytes=bytes,bytes=size,agent=http_user_agent,agent=user_agent,agent=agent,agent=useragent",
        ),
    },
    Preset { name: "w3c", text: Text::W3c },
];

impl Preset {
    /// Compiled.
    ///
    /// # Errors
    /// None: a test compiles all of them.
    pub fn format(&self) -> Result<Format> {
        let how = match self.text {
            Text::Nginx(text) => How::Steps(Arc::new(compile::nginx(text)?)),
            Text::Json(text) => How::Json(Arc::new(Json::parse(text)?)),
            Text::W3c => How::W3c(W3c::default()),
        };
        Ok(Format { name: self.name.into(), how })
    }
}
