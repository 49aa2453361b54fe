import { ECPClient } from '@ecp-ai/orchestrator-client';

const client = new ECPClient({
    baseUrl: 'http://localhost:8001/api/v1',
    isDemo: false
});

// 테넌트 목록 조회
const tenants = await client.getTenants();

// 실시간 모니터링 구독
client.subscribeToMonitoring('my-service', (data) => {
    console.log('메트릭 업데이트:', data);
});
